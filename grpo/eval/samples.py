"""Tables of samples, a row a question, looked at before anything is estimated from them."""

# Q = questions; rows may be of different lengths

import math
from collections.abc import Sequence
from typing import Any

from grpo.errors import UserError


def credits_of(correct: Sequence[Sequence[bool | float]]) -> list[list[float]]:
    """`correct` in floats. Raises ValueError for a question without samples, or a credit that is
    not in [0, 1]."""
    table = [[float(credit) for credit in row] for row in correct]
    for index, row in enumerate(table):
        if not row:
            raise ValueError(f"question {index + 1} of {len(table)} has no samples; leave it out")
        for credit in row:
            if not 0.0 <= credit <= 1.0:
                raise ValueError(
                    f"question {index + 1} of {len(table)} has a credit of {credit}; "
                    "a sample's credit is between 0 (wrong) and 1 (right)"
                )
    return table


def size(table: Sequence[Sequence[Any]]) -> int:
    """Samples of all questions together."""
    return sum(map(len, table))


def demand(k: int, table: Sequence[Sequence[Any]], name: str) -> None:
    """Raises UserError unless every question has `k` samples, k at least 1; `name` as in pass@k."""
    if k < 1:
        raise UserError(f"{name}@{k} means nothing; k counts samples, give 1 or more")
    short = [index for index, row in enumerate(table) if len(row) < k]
    if short:
        fewest = min(map(len, table))
        raise UserError(
            f"{name}@{k} needs {k} samples of every question, but {len(short)} of {len(table)} "
            f"have fewer (question {short[0] + 1} has {len(table[short[0]])}); "
            f"ask for k up to {fewest}, or draw more samples"
        )


def alike(correct: Sequence[Sequence[Any]], other: Sequence[Sequence[Any]], name: str) -> None:
    """Raises ValueError unless `other` has an entry for every sample of `correct`."""
    ours, theirs = [len(row) for row in correct], [len(row) for row in other]
    if ours != theirs:
        raise ValueError(
            f"{name} must have an entry for every sample: {len(ours)} questions with {sum(ours)} "
            f"samples were given with {len(theirs)} questions and {sum(theirs)} {name}"
        )


def known(score: float | None) -> bool:
    """Whether there is a score: neither None nor NaN."""
    return score is not None and not math.isnan(score)
