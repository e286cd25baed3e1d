"""Rules of what an rl stage draws: `refill` and `ahead` with the objective they are learnt by."""

from collections.abc import Iterator

from grpo.recipe.schema import Recipe
from grpo.recipe.stages import AnyStage, Rl


def drawing_faults(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    """(key, sentence) for a group that is replaced though it teaches, and for old completions that
    nothing corrects."""
    if not isinstance(stage, Rl):
        return
    if stage.refill and stage.objective.kl_in == "reward" and stage.objective.beta:
        yield (
            "refill",
            "with objective.kl_in reward a group of equal rewards still learns its KL, so none is "
            "to be replaced; set kl_in to loss, or leave refill out",
        )
    if stage.ahead and stage.objective.correction == "off":
        yield (
            "ahead",
            "learns from completions of the policy before, and nothing corrects for it; set "
            "objective.correction to truncate, or ahead to 0",
        )
