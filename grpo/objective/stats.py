"""Means that come out right however a batch is split: every statistic is a sum and its count.

An objective never reports a mean. It reports detached sums with the counts they are over; parts
(micro-batches, minibatches, ranks) are added, and only the last reader divides. Leaves out minima
and maxima, which do not add.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Stat:
    """One statistic of some part of a batch; its mean over that part is total / count.

    >>> Stat(total=tensor(1.5), count=tensor(3.0))
    """

    total: Tensor
    count: Tensor

    @classmethod
    def over(cls, values: Tensor, mask: Tensor) -> "Stat":
        """The sum of `values` (bool or float) where `mask`, of the same shape, is not 0."""
        counted = mask.bool()
        return cls(torch.where(counted, values.detach().float(), 0.0).sum(), counted.float().sum())

    def __add__(self, other: "Stat") -> "Stat":
        return Stat(self.total + other.total, self.count + other.count)


Stats = dict[str, Stat]


def merge_stats(parts: Iterable[Stats]) -> Stats:
    """The statistics of all parts together; a name that some part lacks is summed over the rest."""
    merged: Stats = {}
    for part in parts:
        for name, stat in part.items():
            merged[name] = merged[name] + stat if name in merged else stat
    return merged


def mean_stats(stats: Stats) -> dict[str, float]:
    """The means, as floats; a name whose count is 0 is left out, being the mean of nothing."""
    return {name: float(stat.total / stat.count) for name, stat in stats.items() if stat.count > 0}
