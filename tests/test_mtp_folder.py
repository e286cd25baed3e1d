"""A checkpoint folder with two MTP layers in transformers, in vLLM, and in vLLM with its draft."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_moe
import torch
from transformers import AutoModelForCausalLM

from grpo.checkpoint.weights import load_weights, save_weights
from grpo.model.depth import heads_in
from grpo.model.load import base_folder, load_draft, load_model, load_tokenizer
from grpo.model.mtp import Mtp
from grpo.model.names import checkpoint_tensors
from grpo.recipe.sections import Model, Parity, SamplerConfig, Sampling
from grpo.sampler import ACCEPTANCE, ParityError, Sampler, open_sampler, parity_gate
from grpo.sampler.vllm_adapter import Engine
from grpo.types import Completion

pytestmark = pytest.mark.slow

PLAIN = SamplerConfig(max_model_len=256, max_num_seqs=16, kv_cache_gib=0.0625)
SAMPLING = Sampling(temperature=1.0, max_tokens=24)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped base, whose own layer comes first, with a second one that has learnt nothing."""
    knobs, base = Model(path="tiny-base"), base_folder(Model(path="tiny-base"))
    main = load_model(knobs, base)
    main.config.num_nextn_predict_layers = 2
    mtp, first = Mtp(main), load_draft(main, base)
    assert first is not None
    mtp.layers[0].load_state_dict(first.layers[0].state_dict())
    there = tmp_path_factory.mktemp("deep")
    tensors = checkpoint_tensors(main, mtp=mtp)
    save_weights(there, tensors, main.config, load_tokenizer(knobs, base))
    return there


@pytest.fixture(scope="module")
def policy(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, experts_implementation="eager").eval()


def gap(sampler: Sampler, policy: Any) -> float:
    """The widest gap to transformers' log-probabilities."""
    asked = tiny_moe.requests(8)
    completions = sampler.sample(asked, SAMPLING)
    scored = tiny_moe.score(policy, asked, completions, SAMPLING.temperature)
    return parity_gate(completions, scored, dtype="float32", config=Parity()).max


@pytest.fixture(scope="module")
def alone(folder: Path, policy: Any) -> list[Completion]:
    """What vLLM draws with no draft, which transformers scores alike."""
    sampler = open_sampler(folder, PLAIN)
    try:
        assert gap(sampler, policy) < 1e-4 and sampler.metrics() == {}
        return sampler.sample(tiny_moe.requests(16), SAMPLING)
    finally:
        sampler.close()


@pytest.fixture(scope="module")
def drafting(folder: Path, alone: list[Completion]) -> Iterator[Any]:
    """The engine with its draft, after that without: one at a time in a process."""
    sampler = open_sampler(folder, PLAIN.model_copy(update={"draft_tokens": 1}))
    yield sampler
    sampler.close()


def test_vllm_drafts_from_it_and_the_policy_stays(drafting: Any, policy: Any) -> None:
    assert gap(drafting, policy) < 1e-4
    assert set(drafting.metrics()) == {ACCEPTANCE}


def test_with_its_draft_at_rest_it_is_the_engine_without(
    drafting: Any, alone: list[Completion]
) -> None:
    with drafting.undrafted():
        drawn = drafting.sample(tiny_moe.requests(16), SAMPLING)
    assert [one.token_ids for one in drawn] == [one.token_ids for one in alone]
    assert drafting.metrics() == {}
    assert drafting.sample(tiny_moe.requests(16), SAMPLING) != drawn


def test_both_layers_are_synced_and_checked(
    drafting: Any, folder: Path, policy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = dict(load_weights(folder))
    target, own = (
        {n: t for n, t in weights.items() if n.startswith(heads_in(folder)) is mine}
        for mine in (False, True)
    )
    other = {name: tensor * 1.01 for name, tensor in own.items()}
    drafting.sync(target.items(), other.items())
    assert gap(drafting, policy) < 1e-4
    # The second layer is not drafted with here, and a stale one is found out all the same.
    push, late = Engine.push_draft, "model.layers.5.eh_proj.weight"
    newer = {**other, late: other[late] * 1.001}
    monkeypatch.setattr(Engine, "push_draft", lambda engine, _: push(engine, other.items()))
    with pytest.raises(ParityError, match="MTP draft"):
        drafting.sync(target.items(), newer.items())
    monkeypatch.undo()
    drafting.sync(target.items(), own.items())


def test_what_vllm_proposes_is_what_our_first_layer_says(drafting: Any, folder: Path) -> None:
    """Token by token: the draft's keys and values follow the accepted tokens."""
    main = load_model(Model(path=""), folder)
    mtp = load_draft(main, folder)
    assert mtp is not None
    compared = taken = 0
    for request in tiny_moe.requests(12, seed=3):
        proposed: list[int] = []
        with listening(drafting, proposed):
            (drawn,) = drafting.sample([request], SAMPLING)
        ids = torch.tensor([[*request.prompt_ids, *drawn.token_ids]])
        with torch.no_grad():
            hidden = main.model(ids, use_cache=False).last_hidden_state
            states = mtp(main, hidden, [ids.roll(-k, 1) for k in (1, 2)])
            likeliest = main.lm_head(states[0])[0].argmax(-1).tolist()
        place = 0  # of the completion's token that was the last when a draft was made
        for token in proposed:
            if place + 1 >= len(drawn.token_ids):
                break
            assert token == likeliest[len(request.prompt_ids) + place - 1]
            accepted = drawn.token_ids[place + 1] == token
            place += 2 if accepted else 1
            compared, taken = compared + 1, taken + accepted
    # What follows a draft that was taken was compared, and what follows one that was not.
    assert compared > 50 and 10 < taken < compared - 10


class listening:
    """Inside, every token that is proposed is noted; for one request at a time."""

    def __init__(self, sampler: Any, proposed: list[int]) -> None:
        self._engine, self._proposed = sampler._engine, proposed

    def __enter__(self) -> None:
        self._engine._call(self._begin)

    def __exit__(self, *_: object) -> None:
        self._engine._call(self._end)

    def _begin(self, worker: Any) -> None:
        drafter = worker.model_runner.drafter
        propose = drafter.propose

        def noted(**asked: Any) -> torch.Tensor:
            drafted: torch.Tensor = propose(**asked)
            self._proposed += drafted[0].tolist()
            return drafted

        drafter.propose = noted

    def _end(self, worker: Any) -> None:
        del worker.model_runner.drafter.propose
