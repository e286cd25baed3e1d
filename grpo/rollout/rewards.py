"""The rewards of a rollout as tensors."""

# P = groups, G = completions a group

import torch
from torch import Tensor

from grpo.objective import group_advantages
from grpo.types import Rollout


def rewards_PG(rollout: Rollout) -> Tensor:
    """The rewards as [groups, G]; NaN where no reward function judged."""
    return torch.tensor(
        [
            [float("nan") if j.reward is None else j.reward for j in group.judgements]
            for group in rollout.groups
        ]
    )


def plain_advantages(rollout: Rollout, scale: str) -> list[list[float]]:
    """The group-relative advantages of the rewards as they were given, [groups, G]."""
    advantages: list[list[float]] = group_advantages(rewards_PG(rollout), scale=scale).tolist()
    return advantages
