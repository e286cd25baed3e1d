"""Multi-token prediction in a run: does the model have what a stage asks for, and how is it taught.

A stage hands on the layers it got, so what a model will have is known before any stage is done.
"""

from pathlib import Path

from transformers import PreTrainedModel

from grpo.errors import UserError
from grpo.model.depth import draft_depth
from grpo.model.load import load_draft
from grpo.model.mtp import Mtp
from grpo.recipe.schema import Recipe
from grpo.recipe.stages import Distill, Pretrain, Rl, Sft
from grpo.run.origin import origin
from grpo.workbench.base import SAMPLING


def check_drafts(recipe: Recipe) -> None:
    """Raises UserError for a stage that trains MTP layers, or draws with them as a draft, where its
    model has none, and for a checkpoint whose weights and config differ in their number."""
    for stage in recipe.stages:
        if isinstance(stage, (Sft, *SAMPLING)):
            depth, model = _depth(recipe, stage.parent)
            if isinstance(stage, Sft | Rl | Distill):
                _check_weight(stage, depth, model)
            draws = not isinstance(stage, Sft) and recipe.sampler.engine == "vllm"
            if draws and recipe.sampler.draft_tokens and not depth:
                raise UserError(
                    f"sampler.draft_tokens is {recipe.sampler.draft_tokens}, and the model of "
                    f"stage {stage.name!r} ({model}) has no multi-token-prediction layer to draft "
                    "with; set it to 0"
                )


def open_draft(stage: Sft | Rl | Distill, model: PreTrainedModel, folder: Path) -> Mtp | None:
    """The MTP layers of the checkpoint in `folder`; None where there are none.

    Raises UserError where there are none and `stage` trains them.
    """
    mtp = load_draft(model, folder)
    _check_weight(stage, mtp.depth if mtp else 0, str(folder))
    return mtp


def _check_weight(stage: Sft | Rl | Distill, depth: int, model: str) -> None:
    if stage.mtp_weight and not depth:
        raise UserError(
            f"stage {stage.name!r} asks for mtp_weight {stage.mtp_weight:g}, and the model in "
            f"{model} has no multi-token-prediction layer; set mtp_weight to 0"
        )


def _depth(recipe: Recipe, name: str) -> tuple[int, str]:
    """How many MTP layers a stage, the base or a checkpoint outside has, and what that is."""
    first = origin(recipe, name)
    if isinstance(first, Pretrain):
        return (0 if first.llama else first.architecture.mtp_layers), f"stage {first.name}"
    return draft_depth(first), str(first)
