"""Sequences into micro-batches: within the budget, none lost, padding only on the right."""

from itertools import pairwise
from random import Random

import pytest
import torch

from grpo.train.batches import by_token_budget, padded
from grpo.train.sequences import Sequences

CPU = torch.device("cpu")
TRIO = Sequences([(5, 6), (7,), (8, 9, 10)], [(1, 2, 3), (4,), (5, 6)])


def test_longest_first_and_within_the_budget_by_hand() -> None:
    # 9 alone (2 x 9 > 12); 6 and 5 as 2 x 6 = 12; 4, 3, 2 as 3 x 4 = 12; 1.
    assert by_token_budget([3, 9, 5, 1, 6, 2, 4], 12) == [[1], [4, 2], [6, 0, 5], [3]]


def test_equal_lengths_keep_their_order() -> None:
    assert by_token_budget([4, 4, 4, 4, 4], 8) == [[0, 1], [2, 3], [4]]


def test_what_is_too_long_goes_alone() -> None:
    assert by_token_budget([50, 3, 60, 3], 10) == [[2], [0], [1, 3]]


def test_nothing_makes_nothing() -> None:
    assert by_token_budget([], 10) == []


@pytest.mark.parametrize("budget", [1, 7, 64, 1000, 10**6])
def test_any_budget_takes_every_sequence_once(budget: int) -> None:
    rng = Random(budget)
    lengths = [rng.randint(1, 90) for _ in range(200)]
    groups = by_token_budget(lengths, budget)
    assert sorted(index for group in groups for index in group) == list(range(200))
    for group in groups:
        assert len(group) == 1 or max(lengths[i] for i in group) * len(group) <= budget
    # Longest first: no group is shorter than the next.
    assert all(
        min(lengths[i] for i in one) >= max(lengths[i] for i in next_one)
        for one, next_one in pairwise(groups)
    )


def test_padding_is_on_the_right() -> None:
    filled = padded([(1, 2, 3), (4,), ()], -7, torch.long)
    assert filled.tolist() == [[1, 2, 3], [4, -7, -7], [-7, -7, -7]]
    assert filled.dtype == torch.long
    assert padded([(0.5,)], 0.0, torch.float32).dtype == torch.float32


def test_sequences_know_their_lengths_and_masks() -> None:
    assert len(TRIO) == 3
    assert TRIO.lengths == [5, 2, 5]
    assert TRIO.mask_BT.tolist() == [[True] * 3, [True, False, False], [True, True, False]]
    assert TRIO.microbatches(10) == [[[0], [2]], [[1]]]


def test_some_rows_alone() -> None:
    assert TRIO.rows((2, 0)) == Sequences([(8, 9, 10), (5, 6)], [(5, 6), (1, 2, 3)])


def test_inputs_by_hand() -> None:
    inputs = TRIO.inputs([[2], [1]], CPU)
    assert inputs.ids_RS.tolist() == [[8, 9, 10, 5, 6], [7, 4, 0, 0, 0]]
    assert inputs.real_RS.tolist() == [[True] * 5, [True, True, False, False, False]]
    assert inputs.positions_RS is None
    assert inputs.lengths == (5, 2)
    assert inputs.row_B.tolist() == [0, 1]
    assert inputs.first_B.tolist() == inputs.prompt_B.tolist() == [3, 1]
    assert inputs.targets_BT.tolist() == [[5, 6], [4, 0]]
    assert inputs.mask_BT.tolist() == [[True, True], [True, False]]
