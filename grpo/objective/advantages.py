"""Group-relative advantages: how much better a completion did than its siblings of one prompt.

Leaves out any learnt baseline, which is the point of GRPO, and leave-one-out means, which differ
from the group mean by the constant factor G / (G - 1).
"""

# Shapes: P prompts, G group size.

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from grpo.objective.tables import pick

EQUAL = 1e-6  # rewards no further apart than this are one reward: float noise in a sum of parts


def group_advantages(rewards_PG: Tensor, *, scale: str, eps: float = 1e-4) -> Tensor:
    """`(r - mean(r)) / (std(r) + eps)` in each group: R1 eq. 3, DeepSeekMath 4.1.

    The papers write only "std"; here, as in TRL and verl, it is the sample's, Bessel-corrected
    (divided by n - 1). `scale` says which one divides:

    - "std": the group's own, so that easy, hard and middling prompts pull equally;
    - "batch": that of all rewards given, about their common mean;
    - "none": nothing divides (Dr. GRPO: a group's std favours prompts that are nearly solved or
      nearly hopeless).

    A NaN reward (no reward function judged the completion) is left out of mean and std and gets
    advantage 0. A group of equal rewards gets exactly 0, whatever rounding its mean took. An
    infinite reward gives NaN, for the caller's NaN guard to stop on.
    """
    divisor = pick(SCALES, scale, knob="scale")
    centred_PG = rewards_PG - rewards_PG.nanmean(dim=1, keepdim=True)
    advantages_PG = centred_PG / divisor(rewards_PG, eps)
    silent_PG = rewards_PG.isnan() | dead_groups(rewards_PG).unsqueeze(1)
    return advantages_PG.masked_fill(silent_PG, 0.0)


def dead_groups(rewards_PG: Tensor, tol: float = EQUAL) -> Tensor:
    """bool_P: whether all rewards of the group are equal within `tol`, so nothing can be learnt.

    NaN rewards are left out; a group with one reward or none is dead.
    """
    unknown_PG = rewards_PG.isnan()
    highest_P = rewards_PG.masked_fill(unknown_PG, -torch.inf).amax(dim=1)
    lowest_P = rewards_PG.masked_fill(unknown_PG, torch.inf).amin(dim=1)
    return highest_P - lowest_P <= tol


def _sample_std(rewards_PG: Tensor, *, dim: tuple[int, ...]) -> Tensor:
    count = rewards_PG.isnan().logical_not().sum(dim, keepdim=True)
    squares = (rewards_PG - rewards_PG.nanmean(dim, keepdim=True)).square()
    # A lone reward has no spread; its n - 1 = 0 must not turn that into 0 / 0.
    return (squares.nansum(dim, keepdim=True) / (count - 1).clamp(min=1)).sqrt()


SCALES: Mapping[str, Callable[[Tensor, float], Tensor]] = {
    "std": lambda rewards_PG, eps: _sample_std(rewards_PG, dim=(1,)) + eps,
    "batch": lambda rewards_PG, eps: _sample_std(rewards_PG, dim=(0, 1)) + eps,
    "none": lambda rewards_PG, eps: torch.ones_like(rewards_PG),
}
