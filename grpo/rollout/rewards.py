"""The rewards of a rollout as tensors, and the scores of its steps."""

# P = groups, G = completions a group, K = steps of the completion that has most

import math

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


def step_scores(rollout: Rollout, name: str) -> tuple[Tensor, Tensor]:
    """What reward `name` gives each step, and the place of the step's last token: [groups, G, K].

    NaN and 0 where a completion has fewer steps, or none.
    """
    steps = [[j.steps.get(name, ()) for j in group.judgements] for group in rollout.groups]
    K = max(1, *(len(some) for group in steps for some in group))
    padded = [[[*some, *[(0, math.nan)] * (K - len(some))] for some in group] for group in steps]
    last_PGK, scores_PGK = torch.tensor(padded, dtype=torch.float64).unbind(-1)
    return scores_PGK.float(), last_PGK.long()


def plain_advantages(rollout: Rollout, scale: str) -> list[list[float]]:
    """The group-relative advantages of the rewards as they were given, [groups, G]."""
    advantages: list[list[float]] = group_advantages(rewards_PG(rollout), scale=scale).tolist()
    return advantages
