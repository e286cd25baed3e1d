"""Importance weights that mend the gap between the engine that sampled and the model that trains.

Both run the same weights, but their kernels round differently, so a completion comes from a policy
slightly unlike the one whose gradient is taken; a completion that waited a step comes from the
weights of the step before. Leaves out what repairs a stale engine: that is a fault for the parity
gate, not something to weigh away.
"""

# Shapes: B completions, T tokens of the longest one, B1 one value a completion, U one of T and 1;
# mask_BT is 1 on completion tokens.

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from grpo.objective.tables import pick

LEVELS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "token": lambda log_ratio_BT: log_ratio_BT,
    "sequence": lambda log_ratio_BT: log_ratio_BT.sum(dim=1, keepdim=True),
}

MODES: Mapping[str, Callable[[Tensor, float], Tensor]] = {
    "off": lambda ratio_BU, cap: torch.ones_like(ratio_BU),
    "truncate": lambda ratio_BU, cap: ratio_BU.clamp(max=cap),
    "mask": lambda ratio_BU, cap: ratio_BU.masked_fill(ratio_BU > cap, 0.0),
}


@torch.no_grad()
def importance_weights(
    old_BT: Tensor, sampler_BT: Tensor, mask_BT: Tensor, *, mode: str, level: str, cap: float
) -> tuple[Tensor, dict[str, float]]:
    """weights_BT that multiply the policy loss (never the KL), and the gap's metrics.

    The ratio is `exp(old - sampler)`: the trainer's log-prob of the sampling policy against the
    sampler's own, token by token or, at `level` "sequence", summed over the completion (unbiased,
    but it drifts with length). `mode` "truncate" cuts it at `cap`, "mask" drops what lies above it,
    "off" weighs everything 1. A token whose sampler log-prob is NaN counts as no gap. Weights are 0
    outside the mask.

    The metrics have TRL's names: the gap in nats over tokens, and the weights as they are applied,
    over tokens or over completions. They are of this call's completions, not of other ranks'.
    """
    mask_BT = mask_BT.bool()
    known_BT = mask_BT & ~sampler_BT.isnan()
    log_ratio_BT = torch.where(known_BT, old_BT - sampler_BT, 0.0)
    ratio_BU = pick(LEVELS, level, knob="level")(log_ratio_BT).exp()
    weights_BU = pick(MODES, mode, knob="mode")(ratio_BU, cap)
    units_BU = mask_BT if level == "token" else mask_BT.any(dim=1, keepdim=True)
    metrics = _metrics(log_ratio_BT[known_BT].abs(), weights_BU[units_BU])
    return torch.where(mask_BT, weights_BU, 0.0), metrics


def _metrics(gap_N: Tensor, weights_N: Tensor) -> dict[str, float]:
    """Nothing is reported where there was nothing to measure."""
    metrics = {}
    if len(gap_N):
        metrics["sampling/sampling_logp_difference/mean"] = float(gap_N.mean())
        metrics["sampling/sampling_logp_difference/max"] = float(gap_N.max())
    if len(weights_N):
        metrics["sampling/importance_sampling_ratio/min"] = float(weights_N.min())
        metrics["sampling/importance_sampling_ratio/mean"] = float(weights_N.mean())
        metrics["sampling/importance_sampling_ratio/max"] = float(weights_N.max())
    return metrics
