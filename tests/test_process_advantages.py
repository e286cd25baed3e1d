"""Rewards for steps: the advantage of every token, by hand-made sums."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from grpo.objective import dead_groups, process_advantages

NAN = math.nan


def advantages(scores: list[Any], last: list[Any], scale: str = "std", eps: float = 0.0) -> Tensor:
    """Of one group with 6 tokens a completion."""
    return process_advantages(
        torch.tensor([scores]), torch.tensor([last]), 6, scale=scale, eps=eps
    )[0]


# Two completions: steps worth 1 and 0 that end with tokens 2 and 4, and one worth 1 at token 1.
RAGGED = ([[1.0, 0.0], [1.0, NAN]], [[2, 4], [1, 0]])


def test_a_token_has_the_steps_that_end_at_it_or_later() -> None:
    # R = {1, 0, 1}: mean 2/3, std sqrt((1/9 + 4/9 + 1/9) / 2) = 1/sqrt(3).
    # (1 - 2/3) sqrt(3) = 0.57735 and (0 - 2/3) sqrt(3) = -1.15470; their sum is -0.57735.
    good, bad = 0.577350, -1.154701
    both = good + bad
    expected = [[both, both, both, bad, bad, 0.0], [good, good, 0.0, 0.0, 0.0, 0.0]]
    torch.testing.assert_close(advantages(*RAGGED), torch.tensor(expected), atol=1e-5, rtol=0)


def test_eps_is_added_to_the_std() -> None:
    # (1 - 2/3) / (1/sqrt(3) + 0.1) = 0.49212
    assert float(advantages(*RAGGED, eps=0.1)[1, 0]) == pytest.approx(0.492119, abs=1e-5)


def test_without_a_scale_only_the_mean_is_taken_off() -> None:
    third = 1 / 3
    expected = [[-third] * 3 + [-2 * third] * 2 + [0.0], [third] * 2 + [0.0] * 4]
    torch.testing.assert_close(advantages(*RAGGED, scale="none"), torch.tensor(expected))


def test_a_completion_without_steps_has_none_and_changes_nobody_s() -> None:
    scores, last = RAGGED
    three = advantages([*scores, [NAN, NAN]], [*last, [0, 0]])
    torch.testing.assert_close(three[:2], advantages(*RAGGED))
    assert three[2].tolist() == [0.0] * 6


@pytest.mark.parametrize("scale", ["std", "none"])
@pytest.mark.parametrize(
    "scores",
    [
        [[0.1, 0.1], [0.1, NAN]],  # all equal, in a number whose mean is not exact
        [[NAN, NAN], [0.7, NAN]],  # one step in all
        [[NAN, NAN], [NAN, NAN]],  # none
    ],
)
def test_steps_that_do_not_differ_teach_nothing(scores: list[Any], scale: str) -> None:
    assert not advantages(scores, [[2, 4], [1, 3]], scale, eps=1e-4).any()
    assert dead_groups(torch.tensor(scores).view(1, -1)).item()


def test_two_steps_may_end_with_one_token() -> None:
    found = advantages([[1.0, 0.0], [1.0, NAN]], [[3, 3], [1, 0]])
    assert found[0].tolist() == pytest.approx([-0.577350] * 4 + [0.0] * 2, abs=1e-5)


def test_each_group_is_its_own() -> None:
    scores = torch.tensor([[[1.0], [0.0]], [[5.0], [5.0]]])
    found = process_advantages(
        scores, torch.zeros(2, 2, 1, dtype=torch.long), 2, scale="std", eps=0.0
    )
    # mean 1/2, std 1/sqrt(2): 0.70711 and its opposite; the second group is dead.
    half = 0.707107
    assert found.flatten(1).tolist()[0] == pytest.approx([half, 0.0, -half, 0.0], abs=1e-5)
    assert not found[1].any()
