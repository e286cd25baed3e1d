"""Sequences into padded batches by a budget of tokens.

No packing of several sequences into one row: a row is one sequence, so attention needs no mask.
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
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        longest = lengths[groups[-1][0]] if groups else 0
        if not groups or (len(groups[-1]) + 1) * longest > budget:
            groups.append([])
        groups[-1].append(index)
    return groups


def padded(rows: Sequence[Sequence[float]], fill: float, dtype: torch.dtype) -> Tensor:
    """Rows of unequal length as one [B, T] tensor, filled on the right."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[fill] * (longest - len(row))] for row in rows], dtype=dtype)
