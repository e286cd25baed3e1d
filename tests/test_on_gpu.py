"""What only a GPU can show: vLLM's latent-attention kernels in bfloat16, the experts it names.

    python -m pytest tests/test_on_gpu.py -rs

Skipped, with the reason, where there is none. The model is as small as those kernels take: a
latent of 512 and rotated keys of 64.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_moe
import torch

from grpo.checkpoint.weights import load_weights
from grpo.model.load import load_model
from grpo.recipe.sections import Model, Parity, SamplerConfig, Sampling
from grpo.sampler import open_sampler, parity_gate
from grpo.sampler.vllm import VllmSampler
from grpo.train.policy import score
from grpo.train.scored import ScoredLM
from grpo.train.sequences import Sequences
from grpo.types import Completion, Request

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
]

SHAPE = {
    "hidden_size": 256,
    "moe_intermediate_size": 128,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
}
CONFIG = SamplerConfig(
    dtype="bfloat16",
    max_model_len=256,
    max_num_seqs=32,
    gpu_memory_utilization=0.2,
    routed_experts=True,
)
SAMPLING = Sampling(max_tokens=64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_moe.save(tiny_moe.model(**SHAPE), tmp_path_factory.mktemp("gpu"))


@pytest.fixture(scope="module")
def sampler(folder: Path) -> Iterator[VllmSampler]:
    sampler = open_sampler(folder, CONFIG)
    assert isinstance(sampler, VllmSampler)
    yield sampler
    sampler.close()


@pytest.fixture(scope="module")
def asked() -> list[Request]:
    return tiny_moe.requests(32)


@pytest.fixture(scope="module")
def drawn(sampler: VllmSampler, asked: list[Request]) -> list[Completion]:
    return sampler.sample(asked, SAMPLING)


@pytest.fixture(scope="module")
def trainer(folder: Path) -> ScoredLM:
    return ScoredLM(load_model(Model(path=str(folder), dtype="bfloat16"), folder).eval().cuda())


def scored(
    trainer: ScoredLM, asked: list[Request], drawn: list[Completion], follows: bool
) -> tuple[list[list[float]], float]:
    """The trainer's log-probabilities, and the share of tokens it would have routed elsewhere."""
    sequences = Sequences(
        [one.prompt_ids for one in asked],
        [one.token_ids for one in drawn],
        experts=[torch.tensor(one.routing.ids_TLK) for one in drawn if one.routing],
    )
    trainer.replay.follows = follows
    logprobs_BT = score(
        trainer, sequences, temperature=1.0, budget=8192, device=torch.device("cuda")
    )
    differ = trainer.replay.take()
    rows = zip(logprobs_BT, drawn, strict=True)
    return [row[: len(c.token_ids)].tolist() for row, c in rows], float(
        differ.anywhere / differ.tokens
    )


def test_attention_is_latent_and_so_is_its_cache(sampler: VllmSampler) -> None:
    def inside(worker: Any) -> float:
        caches, config = worker.model_runner.kv_caches, worker.cache_config
        tokens = config.num_gpu_blocks * config.block_size
        return sum(cache.numel() for cache in caches) / tokens

    engine = sampler._engine.llm
    assert engine.llm_engine.vllm_config.model_config.use_mla
    # 3 layers x (512 + 64)
    assert engine.collective_rpc(inside)[0] == 1728


def test_the_kernels_agree_with_the_trainer(
    trainer: ScoredLM, asked: list[Request], drawn: list[Completion]
) -> None:
    logprobs, _ = scored(trainer, asked, drawn, follows=True)
    parity_gate(drawn, logprobs, dtype="bfloat16", config=Parity())


def test_the_experts_are_the_trainers_but_for_near_ties(
    trainer: ScoredLM, asked: list[Request], drawn: list[Completion]
) -> None:
    for request, one in zip(asked, drawn, strict=True):
        read = len(request.prompt_ids) + len(one.token_ids) - 1
        assert one.routing is not None and one.routing.ids_TLK.shape == (read, 2, 2)
    _, elsewhere = scored(trainer, asked, drawn, follows=False)
    # A layer or a token out of step would leave about one in a thousand alike.
    assert elsewhere < 0.5


def test_replay_narrows_the_gap(
    trainer: ScoredLM, asked: list[Request], drawn: list[Completion]
) -> None:
    gaps = []
    for follows in (False, True):
        logprobs, _ = scored(trainer, asked, drawn, follows)
        both = [
            abs(a - b)
            for one, row in zip(drawn, logprobs, strict=True)
            for a, b in zip(one.logprobs, row, strict=True)
        ]
        gaps.append(sum(both) / len(both))
    assert gaps[1] < gaps[0]


def test_experts_are_named_after_a_sync_too(
    sampler: VllmSampler, folder: Path, asked: list[Request], drawn: list[Completion]
) -> None:
    sampler.sync(load_weights(folder))
    again = sampler.sample(asked, SAMPLING)
    assert [one.token_ids for one in again] == [one.token_ids for one in drawn]
    assert [one.routing for one in again] == [one.routing for one in drawn]
