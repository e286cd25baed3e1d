"""AdamW, and each step's learning rate and speed of router biases, as the recipe says them."""

import math
from collections.abc import Iterable

from torch import nn
from torch.optim import AdamW

from grpo.recipe.sections import Optimizer


def build_optimizer(parameters: Iterable[nn.Parameter], knobs: Optimizer) -> AdamW:
    """AdamW over `parameters`; vectors (norms, biases) are not decayed."""
    trained = [p for p in parameters if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": knobs.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return AdamW(groups, lr=knobs.lr, betas=knobs.betas, eps=knobs.eps)


def learning_rate(knobs: Optimizer, step: int, total: int) -> float:
    """The rate of optimizer step `step` of `total`, both counted from 0."""
    if step < knobs.warmup_steps:
        return knobs.lr * (step + 1) / knobs.warmup_steps
    if knobs.schedule == "constant":
        return knobs.lr
    share = min(1.0, (step - knobs.warmup_steps) / max(1, total - knobs.warmup_steps))
    left = {"linear": 1.0 - share, "cosine": 0.5 * (1.0 + math.cos(math.pi * share))}
    return knobs.lr * (knobs.final_lr_share + (1.0 - knobs.final_lr_share) * left[knobs.schedule])


def set_learning_rate(optimizer: AdamW, rate: float) -> None:
    """Use `rate` from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def bias_speed(how: str, gamma: float, step: int, total: int, still: float = 0.0) -> float:
    """How far optimizer step `step` of `total`, counted from 0, moves a router bias.

    `update`: gamma. `decay`: from gamma at the first step down to 0 in a line. Either is 0 in the
    last share `still` of the steps, and `freeze` always.
    """
    moving = (1.0 - still) * total
    if how == "freeze" or step + 1 > moving:
        return 0.0
    return gamma if how == "update" else gamma * (1.0 - step / moving)
