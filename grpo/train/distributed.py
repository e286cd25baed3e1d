"""Numbers that several processes each hold a part of."""

import torch
from accelerate import Accelerator

from grpo.objective import Stat, Stats, mean_stats


def global_means(accelerator: Accelerator, stats: Stats) -> dict[str, float]:
    """The means of `stats` over all processes, each weighed by its count."""
    names = sorted(stats)
    parts = torch.stack([torch.stack([stats[n].total, stats[n].count]) for n in names])
    summed = accelerator.reduce(parts.double())
    return mean_stats(
        {name: Stat(total, count) for name, (total, count) in zip(names, summed, strict=True)}
    )
