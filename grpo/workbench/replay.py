"""The sampler's choice of experts on its way to the trainer, and who cannot have it replayed."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from grpo.errors import UserError
from grpo.recipe.stages import Rl
from grpo.types import Completion

REPLAYED = ("deepseek_v3",)
"""Architectures whose routers can be made to follow."""


def check_replay(stage: Rl, folder: Path) -> None:
    """Raises UserError where the stage would replay what the model in `folder` has not."""
    if not stage.router_replay:
        return
    config = json.loads((folder / "config.json").read_text())
    kind, experts = config.get("model_type"), config.get("n_routed_experts")
    if kind not in REPLAYED or not experts:
        raise UserError(
            f"stage {stage.name!r} asks for router_replay, and the model in {folder} ({kind}) has "
            "no routed experts of DeepSeek-V3's kind; leave router_replay out"
        )


def experts_of(stage: Rl, completions: Sequence[Completion]) -> list[Tensor] | None:
    """The experts of each completion's tokens, [tokens, L, K]; None where the sampler said none.

    Raises UserError where it did not say and the stage is to replay it.
    """
    told = [torch.from_numpy(one.routing.ids_TLK.copy()) for one in completions if one.routing]
    if len(told) == len(completions):
        return told
    if stage.router_replay:
        raise UserError(
            f"stage {stage.name!r} asks for router_replay, and {len(completions) - len(told)} of "
            f"{len(completions)} completions come without the sampler's choice of experts; take "
            "router_replay out, or the rollouts away that were drawn before it was put in"
        )
    return None
