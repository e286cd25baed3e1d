"""What does not go with recomputed activations: losses of what a forward pass leaves on its way."""

from collections.abc import Iterator

from grpo.recipe.schema import Recipe
from grpo.recipe.stages import AnyStage, Distill, Rl, Sft


def recomputed_faults(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    """(key inside the stage, sentence) of each balance loss that the model's knobs rule out."""
    if not isinstance(stage, Sft | Rl | Distill) or recipe.model is None:
        return
    for key in ("balance", "expert_balance"):
        if getattr(stage, key) and recipe.model.gradient_checkpointing:
            yield key, "does not go with model.gradient_checkpointing; set one of the two to 0"
