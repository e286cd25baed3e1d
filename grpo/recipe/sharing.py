"""What does not go with prompts that their completions share."""

from collections.abc import Iterator

from grpo.recipe.schema import Recipe
from grpo.recipe.stages import AnyStage, Rl

OF_A_SEQUENCE = ("mtp_weight", "balance", "expert_balance", "router_replay")
"""Knobs that look at every token of a sequence, its prompt's too."""


def sharing_faults(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    """(key inside the stage, sentence) for a stage that shares prompts and may not."""
    if not isinstance(stage, Rl) or not stage.share_prompts:
        return
    for key in OF_A_SEQUENCE:
        if getattr(stage, key):
            yield key, "does not go with share_prompts; set one of the two to 0 or false"
    if recipe.model is not None and recipe.model.attention != "sdpa":
        yield "share_prompts", "needs model.attention sdpa; set that, or this to false"
