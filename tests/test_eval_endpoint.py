"""An endpoint as the one who answers: what it is asked, what is made of its replies, and what
happens when it fails, against a real HTTP server of our own.
"""

import threading
import time
from typing import Any

import pytest
from evaluations import problem
from small_endpoint import DROP, Reply, SmallEndpoint, chat, failure, serving

from grpo.errors import UserError
from grpo.eval.answerer import Answer, Asked, Put
from grpo.eval.endpoint import Endpoint, Served
from grpo.eval.endpoint_answerer import EndpointAnswerer
from grpo.recipe.sections import Prompt, Sampling

SAMPLING = Sampling(temperature=0.6, top_p=0.95, max_tokens=64)
ELSEWHERE = Served("m", window=None, is_vllm=False)
VLLM = Served("m", window=1024, is_vllm=True)


def answerer(
    server: SmallEndpoint,
    served: Served = ELSEWHERE,
    sampling: Sampling = SAMPLING,
    **changes: Any,
) -> EndpointAnswerer:
    return EndpointAnswerer(Endpoint(server.url, "m", **changes), served, sampling)


def asked(count: int, seed: int = 7) -> list[Asked]:
    return [
        Asked(Put(f"q{n}", [{"role": "user", "content": f"q{n}"}], 2), seed + n)
        for n in range(count)
    ]


def question(request: Any) -> str:
    return str(request["messages"][-1]["content"])


def echo(_: int, request: Any) -> Reply:
    return chat(f"to {question(request)}")


# --- what is asked, what is made of it ---


def test_each_is_answered_once_with_what_the_endpoint_counted() -> None:
    with serving(echo) as server:
        one = answerer(server, at_once=3)
        found = dict(one.answer(asked(10)))
    assert found == {n: Answer(f"to q{n}", "stop", 3, None) for n in range(10)}
    assert one.facts() == {"prompt_tokens": 50, "completion_tokens": 30, "retries": 0}
    assert 1 <= server.most <= 3


def test_as_many_as_allowed_are_asked_at_a_time() -> None:
    together = threading.Barrier(4, timeout=20)  # breaks, and fails the request, for fewer

    def reply(_: int, request: Any) -> Reply:
        together.wait()
        return echo(0, request)

    with serving(reply) as server:
        found = list(answerer(server, at_once=4, retries=0).answer(asked(12)))
    assert len(found) == 12
    assert server.most == 4


def test_a_request_speaks_openai_alone_where_vllm_does_not_answer() -> None:
    with serving(echo) as server:
        list(answerer(server, key="sk-1").answer(asked(1, seed=2**62 + 5)))
    assert server.requests == [
        {
            "model": "m",
            "messages": [{"role": "user", "content": "q0"}],
            "temperature": 0.6,
            "top_p": 0.95,
            "max_tokens": 64,
            "seed": 5,  # 2**62 + 5 below 2**31
            "logprobs": True,
        }
    ]
    assert server.headers[0]["authorization"] == "Bearer sk-1"


def test_vllm_s_own_defaults_are_overruled_and_its_window_kept() -> None:
    long = SAMPLING.model_copy(update={"max_tokens": 4096, "stop": ("#",)})
    with serving(echo) as server:
        list(answerer(server, VLLM, long).answer(asked(1, seed=2**62 + 5)))
    (request,) = server.requests
    assert request["max_tokens"] == 1024
    assert request["seed"] == 2**62 + 5
    assert request["stop"] == ["#"]
    knobs = ("top_k", "min_p", "repetition_penalty", "skip_special_tokens")
    assert [request[knob] for knob in knobs] == [0, 0.0, 1.0, False]
    assert "include_stop_str_in_output" not in request  # it would keep the end token too


def test_greedy_decoding_is_a_temperature_of_zero() -> None:
    greedy = Sampling(temperature=1.0, top_k=1, max_tokens=8)
    with serving(echo) as server:
        list(answerer(server, sampling=greedy).answer(asked(1)))
    assert server.requests[0]["temperature"] == 0


def test_log_probabilities_are_summed_where_there_are_some() -> None:
    steps = [{"token": t, "logprob": p, "bytes": None, "top_logprobs": []}
             for t, p in (("a", -0.5), ("b", -0.25), ("", -1.0))]  # fmt: skip
    with serving(lambda *_: chat("ab", "length", logprobs={"content": steps})) as server:
        ((_, found),) = answerer(server).answer(asked(1))
    assert found == Answer("ab", "length", 3, -1.75)


def test_an_endpoint_without_log_probabilities_is_asked_without() -> None:
    def reply(_: int, request: Any) -> Reply:
        if "logprobs" in request:
            return failure(400, "logprobs is not supported for this model")
        return echo(0, request)

    with serving(reply) as server:
        found = dict(answerer(server, at_once=4).answer(asked(9)))
    assert {one.logprob for one in found.values()} == {None}
    assert len(found) == 9
    refused = sum("logprobs" in request for request in server.requests)
    assert 1 <= refused <= 4  # those that were under way when the first was refused


@pytest.mark.parametrize(("reason", "text"), [("#", "so 7#"), (None, "so 7"), (151645, "so 7")])
def test_a_stop_text_is_kept_and_an_end_token_is_not(reason: Any, text: str) -> None:
    whole = chat("so 7", stop_reason=reason)  # as vLLM names what ended the answer
    with serving(lambda *_: whole) as server:
        ((_, found),) = answerer(server).answer(asked(1))
    assert found.text == text


@pytest.mark.parametrize(
    ("message", "end", "text"),
    [
        ({"content": "so 7", "reasoning_content": "3 + 4"}, "stop", "<think>3 + 4</think>so 7"),
        ({"content": None, "reasoning": "3 +"}, "length", "<think>3 +"),
        ({"content": "so", "reasoning": "3 + 4"}, "length", "<think>3 + 4</think>so"),
        ({"content": None}, "content_filter", ""),
    ],
)
def test_reasoning_that_was_set_apart_is_part_of_the_answer(
    message: Any, end: str, text: str
) -> None:
    whole = chat("", end, message={"role": "assistant", **message})
    with serving(lambda *_: whole) as server:
        ((_, found),) = answerer(server).answer(asked(1))
    assert found.text == text
    assert found.finish_reason == ("length" if end == "length" else "stop")


def test_a_problem_is_put_as_turns_and_a_prefill_begins_the_answer() -> None:
    prompt = Prompt(system="Be brief.", user="Q: {question}", prefill="<think>")
    with serving(echo) as server:
        one = answerer(server, VLLM)
        put = one.put(problem("a", "3 + 4?", "7"), prompt)
        list(one.answer([Asked(put, 1)]))
    assert put.text == "Be brief.\n\nQ: 3 + 4?\n\n<think>"
    (request,) = server.requests
    assert [turn["role"] for turn in request["messages"]] == ["system", "user", "assistant"]
    assert (request["add_generation_prompt"], request["continue_final_message"]) == (False, True)


# --- failures ---


@pytest.mark.slow
def test_what_passes_is_asked_again() -> None:
    replies = [failure(429, "slow down"), failure(503, "loading"), DROP, chat("at last")]
    with serving(lambda number, _: replies[number]) as server:
        one = answerer(server)
        ((_, found),) = one.answer(asked(1))
    assert found.text == "at last"
    assert one.facts()["retries"] == 3


@pytest.mark.slow
def test_the_wait_doubles_and_the_endpoint_s_own_word_comes_first() -> None:
    replies = [failure(500, "x", connection="close"), failure(500, "x", connection="close"),
               failure(429, "x", **{"retry-after": "1"}), chat("now")]  # fmt: skip
    with serving(lambda number, _: replies[number]) as server:
        list(answerer(server).answer(asked(1)))
    first, second, third = (b - a for a, b in zip(server.times, server.times[1:], strict=False))
    # 0.5 s and 1 s, less up to a quarter; then the second that was asked for
    assert (first >= 0.375, second >= 0.75, third >= 1.0) == (True, True, True)


@pytest.mark.slow
def test_half_an_answer_is_asked_again() -> None:
    replies = [chat("so the", "abort"), chat("so the answer is 7")]
    with serving(lambda number, _: replies[number]) as server:
        ((_, found),) = answerer(server).answer(asked(1))
    assert found == Answer("so the answer is 7", "stop", 3, None)


@pytest.mark.parametrize(
    ("reply", "sentence", "requests"),
    [
        (failure(401, "bad key"), "refuses the key (401: bad key); name its variable: --api", 1),
        (failure(404, "no model m"), "refuses the request (404: no model m)", 1),
        (failure(400, "too\nlong"), "refuses the request (400: too long); it was asked 'q0'", 1),
        (failure(429, "slow"), "turned us away in 3 tries (429: slow); lower --concurrency", 3),
        (failure(500, "oops"), "failed in 3 tries (500: oops); once it answers, the same", 3),
        (Reply(502, "<html>bad gateway</html>", {"retry-after-ms": "1"}),
         "failed in 3 tries (502: <html>bad gateway</html>); once", 3),
        (Reply(200, "<html>\nhi</html>"), "answered what is no chat completion: <html> hi<", 1),
        (Reply(200, {"error": {"message": "no"}}), "answered what is no chat completion: {", 1),
    ],
)  # fmt: skip
def test_what_does_not_pass_is_one_sentence(reply: Reply, sentence: str, requests: int) -> None:
    with serving(lambda *_: reply) as server, pytest.raises(UserError) as raised:
        list(answerer(server, retries=2).answer(asked(1)))
    assert str(raised.value).startswith(f"{server.url} {sentence}")
    assert "\n" not in str(raised.value)
    assert len(server.requests) == requests


def test_a_slow_endpoint_is_told_from_one_that_is_not_there() -> None:
    def slow(*_: Any) -> Reply:
        time.sleep(1.5)
        return chat("late")

    with serving(slow) as server, pytest.raises(UserError, match=r"no answer within 0\.5 s in one"):
        list(answerer(server, retries=0, timeout_s=0.5).answer(asked(1)))
    with pytest.raises(UserError, match="cannot be reached in 2 tries"):
        list(answerer(server, retries=1).answer(asked(1)))


def test_what_was_under_way_when_it_failed_is_not_lost() -> None:
    failed = threading.Event()

    def reply(_: int, request: Any) -> Reply:
        if question(request) == "q1":
            failed.set()
            return failure(400, "no")
        assert failed.wait(20)
        time.sleep(0.2)
        return echo(0, request)

    found: list[int] = []
    with serving(reply) as server, pytest.raises(UserError, match="refuses the request"):
        for place, _ in answerer(server, at_once=3).answer(asked(8)):
            found.append(place)
    assert sorted(found) == [0, 2]  # and nothing was begun after the failure


def test_an_iterator_that_is_closed_lets_go_of_its_requests() -> None:
    held = threading.Event()

    def reply(_: int, request: Any) -> Reply:
        if question(request) != "q0":
            held.wait(30)
        return echo(0, request)

    with serving(reply) as server:
        answers = answerer(server, at_once=4).answer(asked(8))
        assert next(answers)[0] == 0
        begun = time.monotonic()
        answers.close()
        assert time.monotonic() - begun < 5
        held.set()
    assert len(server.requests) <= 5
