"""AdamW and its schedule, at points worked out by hand."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from grpo.recipe.sections import Optimizer
from grpo.train.optim import bias_speed, build_optimizer, learning_rate, set_learning_rate


def rate(step: int, total: int, **knobs: Any) -> float:
    return learning_rate(Optimizer(lr=1.0, **knobs), step, total)


def test_constant() -> None:
    assert [rate(step, 10) for step in (0, 5, 9, 20)] == [1.0] * 4


def test_warmup_is_a_line_that_ends_at_the_peak() -> None:
    rates = [rate(step, 10, warmup_steps=4) for step in range(6)]
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("step", "expected"),
    # Of ten steps after two of warm-up: 1 - 0.9 x share.
    [(1, 1.0), (2, 1.0), (7, 0.1 + 0.9 * 0.5), (12, 0.1), (40, 0.1)],
)
def test_linear(step: int, expected: float) -> None:
    assert rate(step, 12, schedule="linear", warmup_steps=2) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 1.0),
        # cos(pi / 4) = 0.70711: half of 1.70711 is 0.85355, and 0.1 + 0.9 x 0.85355 = 0.86820
        (25, 0.868198),
        (50, 0.55),
        (100, 0.1),
        (150, 0.1),
    ],
)
def test_cosine(step: int, expected: float) -> None:
    assert rate(step, 100, schedule="cosine") == pytest.approx(expected, abs=1e-6)


def test_the_end_may_be_nothing() -> None:
    assert rate(9, 10, schedule="linear", final_lr_share=0.0) == pytest.approx(0.1)
    assert rate(10, 10, schedule="cosine", final_lr_share=0.0) == pytest.approx(0.0, abs=1e-12)


def test_a_run_that_is_all_warmup() -> None:
    assert rate(3, 4, schedule="cosine", warmup_steps=4) == 1.0
    assert rate(9, 4, schedule="linear", warmup_steps=4) == pytest.approx(0.1)


def test_r1_s_sft_schedule_ends_at_a_tenth() -> None:
    # FACTS: cosine from 5e-5 to 5e-6.
    knobs = Optimizer(lr=5e-5, schedule="cosine", final_lr_share=0.1)
    assert math.isclose(learning_rate(knobs, 0, 1000), 5e-5)
    assert math.isclose(learning_rate(knobs, 1000, 1000), 5e-6)


def test_matrices_decay_and_vectors_do_not() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2), nn.Linear(2, 2, bias=False))
    model[2].weight.requires_grad_(False)
    knobs = Optimizer(lr=0.01, weight_decay=0.1, betas=(0.8, 0.9), eps=1e-6)
    optimizer = build_optimizer(model.parameters(), knobs)
    decayed, kept = optimizer.param_groups
    assert [id(p) for p in decayed["params"]] == [id(model[0].weight)]
    assert {id(p) for p in kept["params"]} == {
        id(p) for p in (model[0].bias, model[1].weight, model[1].bias)
    }
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.1, 0.0)
    for group in optimizer.param_groups:
        assert (group["lr"], group["betas"], group["eps"]) == (0.01, (0.8, 0.9), 1e-6)


def test_the_rate_is_set_everywhere() -> None:
    optimizer = build_optimizer(nn.Linear(3, 2).parameters(), Optimizer(lr=1.0))
    set_learning_rate(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]


def test_one_step_of_adam_by_hand() -> None:
    # The first step of Adam goes lr in the gradient's direction; decay takes lr x 0.1 of it off.
    weight = nn.Parameter(torch.tensor([[2.0]]))
    optimizer = build_optimizer([weight], Optimizer(lr=0.01, weight_decay=0.1))
    weight.grad = torch.tensor([[3.0]])
    optimizer.step()
    assert weight.item() == pytest.approx(2.0 * (1 - 0.01 * 0.1) - 0.01, abs=1e-6)


@pytest.mark.parametrize(
    ("how", "still", "expected"),
    [
        ("freeze", 0.0, [0.0] * 4),
        ("update", 0.0, [0.1] * 4),
        ("update", 0.5, [0.1, 0.1, 0.0, 0.0]),
        # A line from gamma down, 0 right after the last step, or where standing still begins.
        ("decay", 0.0, [0.1, 0.075, 0.05, 0.025]),
        ("decay", 0.5, [0.1, 0.05, 0.0, 0.0]),
        ("decay", 1.0, [0.0] * 4),
    ],
)
def test_the_speed_of_router_biases(how: str, still: float, expected: list[float]) -> None:
    assert [bias_speed(how, 0.1, step, 4, still) for step in range(4)] == pytest.approx(expected)
