"""Streaming: the completions of `sample`, one by one as they are finished, in both engines."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import tiny_moe
import torch
from transformers import DeepseekV3ForCausalLM

from grpo.recipe.sections import SamplerConfig, Sampling
from grpo.sampler import Sampler, open_sampler
from grpo.sampler.plain import PlainSampler
from grpo.types import Completion, Request

SAMPLING = Sampling(temperature=0.7, max_tokens=12)


@pytest.fixture(scope="module")
def policy() -> DeepseekV3ForCausalLM:
    return tiny_moe.model()


@pytest.fixture(scope="module", params=["plain", pytest.param("vllm", marks=pytest.mark.slow)])
def sampler(
    request: pytest.FixtureRequest,
    policy: DeepseekV3ForCausalLM,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Sampler]:
    """Either engine, four completions at a time."""
    if request.param == "plain":
        yield PlainSampler(policy, tiny_moe.tokenizer(), batch=4, max_model_len=512)
        return
    folder: Path = tiny_moe.save(policy, tmp_path_factory.mktemp("tiny"))
    config = SamplerConfig(max_model_len=512, max_num_seqs=4, kv_cache_gib=0.02)
    engine = open_sampler(folder, config)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def asked() -> list[Request]:
    return tiny_moe.requests(18)


def same(completions: list[Completion], others: list[Completion]) -> None:
    """Equal but for the rounding of log-probabilities in another batch's shape."""
    for one, other in zip(completions, others, strict=True):
        assert (one.text, one.token_ids) == (other.text, other.token_ids)
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)
        assert one.finish_reason == other.finish_reason


def test_a_stream_gives_what_sample_gives(sampler: Sampler, asked: list[Request]) -> None:
    streamed = dict(sampler.stream(asked, SAMPLING))
    assert sorted(streamed) == list(range(len(asked)))
    same([streamed[place] for place in range(len(asked))], sampler.sample(asked, SAMPLING))


def test_answers_come_before_all_is_drawn(sampler: Sampler, asked: list[Request]) -> None:
    """The first ones are handed over while the last have not been begun: begun in order, at most
    twice the places are held."""
    with closing(sampler.stream(asked, SAMPLING)) as stream:
        early = [next(stream)[0] for _ in range(2)]
    assert max(early) < 8


def test_a_stream_that_is_closed_leaves_the_engine_free(
    sampler: Sampler, asked: list[Request], policy: DeepseekV3ForCausalLM
) -> None:
    with closing(sampler.stream(asked, SAMPLING)) as stream:
        next(stream)
    # A sync is refused while requests run.
    sampler.sync(tiny_moe.checkpoint_weights(policy).items())
    same(sampler.sample(asked[:3], SAMPLING), [c for _, c in _sorted(sampler, asked[:3])])


def _sorted(sampler: Sampler, asked: list[Request]) -> list[tuple[int, Completion]]:
    return sorted(sampler.stream(asked, SAMPLING), key=lambda one: one[0])


def test_streaming_leaves_the_global_generator_alone(
    sampler: Sampler, asked: list[Request]
) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    for _ in sampler.stream(asked[:2], SAMPLING):
        pass
    assert torch.equal(torch.rand(1), expected)


def test_nothing_asked_nothing_answered(sampler: Sampler) -> None:
    assert list(sampler.stream([], SAMPLING)) == []
