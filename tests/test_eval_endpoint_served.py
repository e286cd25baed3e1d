"""What an endpoint says of itself: its address, its models, and what is said of those it lacks."""

import pytest
from small_endpoint import Reply, chat, failure, models, serving

from grpo.errors import UserError
from grpo.eval.endpoint import Endpoint, Served, base_url, look_up


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://h:8000", "http://h:8000/v1"),
        ("http://h:8000/v1/", "http://h:8000/v1"),
        ("https://h/api/v1/chat/completions", "https://h/api/v1"),
    ],
)
def test_addresses_as_people_write_them(text: str, url: str) -> None:
    assert base_url(text) == url


def looked_up(listing: Reply, model: str | None) -> Served:
    with serving(lambda *_: chat(""), listing) as server:
        return look_up(Endpoint(server.url, model))


def test_a_model_is_looked_up_and_the_only_one_needs_no_name() -> None:
    vllm = {"owned_by": "vllm", "max_model_len": 1024}
    assert looked_up(models("x:zero", **vllm), None) == Served("x:zero", 1024, True)
    assert looked_up(models("a", "b"), "b") == Served("b", None, False)
    # no list, or not in it: taken on trust
    assert looked_up(Reply(404, {}), "b") == Served("b", None, False)
    assert looked_up(models("a"), "b") == Served("b", None, False)


@pytest.mark.parametrize(
    ("listing", "model", "sentence"),
    [
        (models("a", "b"), None, "say which model of http.*, --model NAME: it has a, b"),
        (Reply(404, {}), None, "--model NAME: it lists none"),
        (models("tiny-base", owned_by="vllm"), "tiny-bse", "serves no model 'tiny-bse', but tiny-"),
        (failure(401, "who?"), "a", r"refuses the key \(401: who\?\)"),
    ],
)
def test_a_model_that_is_not_there_is_one_sentence(
    listing: Reply, model: str | None, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        looked_up(listing, model)
