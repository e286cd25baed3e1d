"""What several processes each hold a part of: numbers, and the rows of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from accelerate import Accelerator

from grpo.errors import UserError
from grpo.objective import Stat, Stats, mean_stats


def processes() -> Accelerator:
    """This process among the others. Raises UserError where accelerate would cast behind the
    recipe's back: the trainer's numbers would then not be those of its own weights."""
    accelerator = Accelerator()
    if accelerator.mixed_precision != "no":
        raise UserError(
            f"accelerate is set to mixed precision {accelerator.mixed_precision}, but a recipe "
            "says how its model is held; launch with --mixed_precision no, and set model.dtype"
        )
    return accelerator


@dataclass(frozen=True)
class Share:
    """One process's rows of a batch.

    Where a batch has fewer rows than there are processes, some take a row that is another's and
    does not count: every process must go through the forward, for they wait for one another.

    >>> Share(rows=[3, 11, 4], counts=True)
    """

    rows: list[int]
    counts: bool

    @classmethod
    def of(cls, rows: Sequence[int], accelerator: Accelerator) -> "Share":
        """This process's share of `rows`, of which there is at least one."""
        mine = list(rows[accelerator.process_index :: accelerator.num_processes])
        return cls(mine or list(rows[:1]), bool(mine))


def global_means(accelerator: Accelerator, stats: Stats) -> dict[str, float]:
    """The means of `stats` over all processes, each weighed by its count."""
    names = sorted(stats)
    parts = torch.stack([torch.stack([stats[n].total, stats[n].count]) for n in names])
    summed = accelerator.reduce(parts.double())
    return mean_stats(
        {name: Stat(total, count) for name, (total, count) in zip(names, summed, strict=True)}
    )
