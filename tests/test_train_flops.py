"""What training computes: the formula by hand, beside torch's own counter, and what is logged."""

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_moe
import torch
from small_policies import CPU, MODELS, llama, policy, sequences
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForSequenceClassification

from grpo.metrics import FLOPS
from grpo.model.mtp import Mtp
from grpo.recipe.stages import Rl
from grpo.run.identity import Identity
from grpo.run.run_directory import RunDirectory
from grpo.run.work import Work
from grpo.train.flops import ForwardCost
from grpo.train.policy import score


def test_a_dense_model_s_cost_by_hand() -> None:
    cost = ForwardCost.of(llama())
    # A layer: queries and output 2 x 32^2, keys and values 2 x 32 x 16, MLP 3 x 32 x 48, two norms
    # of 32: 7,744. Two of them, the last norm of 32 and the head of 262 x 32; no embedding.
    active = 2 * 7_744 + 32 + 8_384
    # Four heads of width 8, keys and values alike, two layers: 2 x (8 + 8) x 4 x 2.
    assert cost == ForwardCost(a_token=2 * active, a_pair=256)
    # Sequences of 3 and 1 tokens have 6 + 1 pairs.
    assert cost.forward([3, 1]) == 4 * 2 * active + 7 * 256


def test_a_mixture_s_token_meets_the_experts_it_takes() -> None:
    cost, all_of_it = ForwardCost.of(tiny_moe.model()), tiny_moe.model().num_parameters()
    # Two layers with 8 experts of 3 x 64 x 64, of which a token takes 2; the embedding is 262 x 64.
    assert cost.a_token == 2 * (all_of_it - 262 * 64 - 2 * 6 * 3 * 64 * 64)
    # Four heads, queries and keys of 24 + 8, values of 16, three layers.
    assert cost.a_pair == 2 * (32 + 16) * 4 * 3


def test_a_tied_head_counts() -> None:
    tied, apart = llama(), llama()
    tied.config.tie_word_embeddings = True
    tied.tie_weights()
    assert ForwardCost.of(tied) == ForwardCost.of(apart)


def test_a_reward_model_has_a_head_of_one_row() -> None:
    model = llama()
    scorer = LlamaForSequenceClassification(
        LlamaConfig(**{**model.config.to_dict(), "num_labels": 1})
    )
    # The head of 262 x 32 gives way to one of 1 x 32.
    assert ForwardCost.of(model).a_token - ForwardCost.of(scorer).a_token == 2 * 261 * 32


def counted(model: Any, ids: torch.Tensor) -> int:
    """torch's count of a forward; attention is over all pairs, those the mask hides too."""
    model.set_attn_implementation("eager")  # the CPU's fused kernel is not in torch's table
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(ids, use_cache=False)
    return int(counter.get_total_flops())


@pytest.mark.parametrize("name", MODELS)
def test_it_is_torch_s_own_count_but_for_norms_and_what_the_mask_hides(name: str) -> None:
    model, length = MODELS[name](), 24
    cost = ForwardCost.of(model)
    vectors = sum(p.numel() for p in model.parameters() if p.ndim == 1)
    expected = cost.forward([length]) - 2 * vectors * length
    hidden_pairs = cost.a_pair * (length * length - length * (length + 1) // 2)
    assert counted(model, torch.randint(6, 262, (1, length))) == expected + hidden_pairs


@pytest.mark.parametrize("depth", [1, 2])
def test_mtp_layers_cost_as_many_layers_and_the_head_once_more_each(depth: int) -> None:
    model = tiny_moe.model()
    mtp = Mtp(model, depth)
    draft = ForwardCost.of_draft(mtp, model)
    own = sum(p.numel() for p in mtp.parameters()) - depth * 6 * 3 * 64 * 64
    assert draft == ForwardCost(2 * (own + depth * 262 * 64), depth * 2 * (32 + 16) * 4)


def test_scoring_counts_once_and_an_update_threefold() -> None:
    held, rows = policy(llama()), sequences(5)
    forward = held.cost.forward(rows.lengths)
    score(held.module, rows, temperature=1.0, budget=30, device=CPU)
    assert held.spent() == forward
    inputs = rows.inputs([[0], [1], [2], [3], [4]], CPU)
    held.module(inputs, temperature=1.0)
    assert held.spent() == 3 * forward
    assert held.spent() == 0


def test_the_manifest_has_a_stage_s_total_and_a_resumed_run_counts_once(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    stage = Rl(name="zero", kind="rl", steps=3)
    work = Work(stage, None, 3, 3, Identity({}, {}, {}))
    work.begin(run)
    for step in range(2):
        run.metrics.append("zero", step, {FLOPS: 1.5e9})
    run.metrics.append("other", 0, {FLOPS: 7e9})
    work.count(run, seconds=1.0)
    assert run.manifest()["stages"]["zero"]["flops"] == 3e9
    # Cut off after its second step, of which no checkpoint knows.
    run.metrics.rewind("zero", 1)
    work.begin(run)
    for step in (1, 2):
        run.metrics.append("zero", step, {FLOPS: 1.5e9})
    work.count(run, seconds=1.0)
    assert json.loads((tmp_path / "manifest.json").read_text())["stages"]["zero"]["flops"] == 4.5e9
