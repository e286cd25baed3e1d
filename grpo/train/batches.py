"""Sequences into rows and padded batches by a budget of tokens.

A row holds one sequence, or several where they are packed; what keeps those apart in attention is
the model's business.
"""

# B = sequences, T = tokens of the longest

from collections.abc import Sequence

import torch
from torch import Tensor


def by_token_budget(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices grouped so that each group, padded to its longest, has at most `budget` tokens.

    Longest first: neighbours are alike, so little is padding, and the first batch is the one
    that would run out of memory. A sequence longer than the budget is a group of its own.
    """
    groups: list[list[int]] = []
    for index in _longest_first(lengths):
        longest = lengths[groups[-1][0]] if groups else 0
        if not groups or (len(groups[-1]) + 1) * longest > budget:
            groups.append([])
        groups[-1].append(index)
    return groups


def into_rows(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Indices dealt to rows of at most `room` tokens, longest first, each to the first row that
    has room for it. What is longer than `room` has a row of its own; with no room, everything."""
    rows: list[list[int]] = []
    left: list[int] = []
    for index in _longest_first(lengths):
        fitting = (row for row, free in enumerate(left) if free >= lengths[index])
        row = next(fitting, len(rows))
        if row == len(rows):
            rows.append([])
            left.append(room)
        rows[row].append(index)
        left[row] -= lengths[index]
    return rows


def padded(rows: Sequence[Sequence[float]], fill: float, dtype: torch.dtype) -> Tensor:
    """Rows of unequal length as one [B, T] tensor, filled on the right."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[fill] * (longest - len(row))] for row in rows], dtype=dtype)


def _longest_first(lengths: Sequence[int]) -> list[int]:
    return sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
