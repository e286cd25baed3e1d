"""Policy losses: what one token adds to the loss, for GRPO and its four best-known kin.

A loss is two independent choices, and the table at the foot says which goes with which: the
per-token objective (this file) and how tokens are added up (`aggregation.py`). Leaves out KL,
entropy and the sampler's correction, which every loss shares and `objective.py` adds.
"""

# Shapes: B completions, T tokens of the longest one, U is T or, where one ratio serves a whole
# completion, 1; mask_BT is 1 on completion tokens. Log-probs must be finite outside the mask too.

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Clip:
    """How far the ratio pi / pi_old may carry a gradient: from 1 - low to 1 + high.

    `dual` caps the ratio where the advantage is negative, the one place where the clip leaves the
    loss unbounded (dual-clip PPO; TRL's `delta`). TRL caps both signs, which is the same as long
    as delta >= 1 + high. R1 used low = high = 10: a low of 1 or more never clips.

    >>> Clip(low=0.2, high=0.28, dual=3.0)
    """

    low: float = 0.2
    high: float = 0.2
    dual: float | None = None


@dataclass(frozen=True)
class PolicyTerm:
    """What a per-token objective gives back.

    `units_BU` marks where a ratio was formed, so that clip ratios are means over tokens or over
    completions, as TRL counts them. Clipped low (high) is a ratio below (above) the clip range
    under a negative (positive) advantage: where the clip takes the gradient away.

    >>> PolicyTerm(loss_BT=tensor([[-0.6, -0.6]]), ratio_BU=tensor([[1.5, 1.1]]),
    ...            clipped_low_BU=tensor([[False, False]]), clipped_high_BU=tensor([[True, False]]),
    ...            units_BU=tensor([[True, True]]))
    """

    loss_BT: Tensor
    ratio_BU: Tensor
    clipped_low_BU: Tensor
    clipped_high_BU: Tensor
    units_BU: Tensor

    @property
    def clipped_BU(self) -> Tensor:
        """Clipped on either side (TRL's "region")."""
        return self.clipped_low_BU | self.clipped_high_BU


class TokenObjective(Protocol):
    """The loss of each token; `advantages` is [B, 1] or [B, T]."""

    def __call__(
        self,
        logprobs_BT: Tensor,
        old_logprobs_BT: Tensor,
        advantages: Tensor,
        mask_BT: Tensor,
        clip: Clip,
    ) -> PolicyTerm: ...


@dataclass(frozen=True)
class PolicyLoss:
    """A row of the table: a per-token objective and the aggregation its paper pairs it with.

    >>> PolicyLoss(clipped_token_ratio, aggregation="sequence_mean")
    """

    objective: TokenObjective
    aggregation: str


def clipped_token_ratio(
    logprobs_BT: Tensor, old_logprobs_BT: Tensor, advantages: Tensor, mask_BT: Tensor, clip: Clip
) -> PolicyTerm:
    """`-min(rho A, clip(rho) A)`, rho the token's pi / pi_old: R1 eq. 1, DeepSeekMath eq. 3."""
    ratio_BT = (logprobs_BT - old_logprobs_BT).exp()
    return _clipped_surrogate(ratio_BT, advantages, mask_BT.bool(), clip)


def clipped_sequence_ratio(
    logprobs_BT: Tensor, old_logprobs_BT: Tensor, advantages: Tensor, mask_BT: Tensor, clip: Clip
) -> PolicyTerm:
    """The same with one ratio a completion, the geometric mean of its tokens' (GSPO).

    A mean hardly leaves 1, so clip ranges are a hundred times narrower: GSPO used 3e-4 and 4e-4.
    """
    mask = mask_BT.to(logprobs_BT.dtype)
    length_B1 = mask.sum(dim=1, keepdim=True)
    log_ratio_BT = (logprobs_BT - old_logprobs_BT) * mask
    log_ratio_B1 = log_ratio_BT.sum(dim=1, keepdim=True) / length_B1.clamp(min=1)
    term = _clipped_surrogate(log_ratio_B1.exp(), advantages, length_B1 > 0, clip)
    return replace(term, loss_BT=term.loss_BT.expand_as(mask))


def clipped_weight(
    logprobs_BT: Tensor, old_logprobs_BT: Tensor, advantages: Tensor, mask_BT: Tensor, clip: Clip
) -> PolicyTerm:
    """`-sg[min(rho, 1 + high)] A log pi`: CISPO, where a clipped token keeps a gradient.

    The cap is `1 + high`, so that `high` means here what it means in every other loss; TRL caps at
    `epsilon_high` itself (its 5.0 is our 4.0). No lower bound, as in the paper's own runs, so `low`
    and `dual` are not read.
    """
    ratio_BT = (logprobs_BT - old_logprobs_BT).exp()
    weight_BT = ratio_BT.detach().clamp(max=1 + clip.high)
    return PolicyTerm(
        loss_BT=-weight_BT * advantages * logprobs_BT,
        ratio_BU=ratio_BT,
        clipped_low_BU=torch.zeros_like(ratio_BT, dtype=torch.bool),
        clipped_high_BU=(ratio_BT > 1 + clip.high) & (advantages > 0),
        units_BU=mask_BT.bool(),
    )


def _clipped_surrogate(
    ratio_BU: Tensor, advantages: Tensor, units_BU: Tensor, clip: Clip
) -> PolicyTerm:
    bounded_BU = ratio_BU.clamp(1 - clip.low, 1 + clip.high)
    free = ratio_BU
    if clip.dual is not None:
        free = torch.where(advantages < 0, ratio_BU.clamp(max=clip.dual), ratio_BU)
    return PolicyTerm(
        loss_BT=-torch.minimum(free * advantages, bounded_BU * advantages),
        ratio_BU=ratio_BU,
        clipped_low_BU=(ratio_BU < 1 - clip.low) & (advantages < 0),
        clipped_high_BU=(ratio_BU > 1 + clip.high) & (advantages > 0),
        units_BU=units_BU,
    )


POLICY_LOSSES: Mapping[str, PolicyLoss] = {
    "grpo": PolicyLoss(clipped_token_ratio, aggregation="sequence_mean"),
    "dr_grpo": PolicyLoss(clipped_token_ratio, aggregation="constant"),
    "dapo": PolicyLoss(clipped_token_ratio, aggregation="token_mean"),
    "gspo": PolicyLoss(clipped_sequence_ratio, aggregation="sequence_mean"),
    "cispo": PolicyLoss(clipped_weight, aggregation="token_mean"),
}
