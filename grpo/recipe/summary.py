"""A recipe in a few plain lines, for the terminal; the whole of it is what dump_recipe writes."""

from grpo.recipe.schema import Recipe
from grpo.recipe.stages import AnyStage, Compare, Distill, Evaluate, Reject, RewardModel, Rl, Sft


def summary(recipe: Recipe) -> list[str]:
    """One line on what the recipe starts from, then one a stage."""
    base = recipe.model.path if recipe.model else "nothing"
    return [f"{recipe.name}: from {base}, on {recipe.data.path}", *map(_stage, recipe.stages)]


def _stage(stage: AnyStage) -> str:
    return f"{stage.kind} {stage.name!r} (from {stage.parent}): {_size(stage)}"


def _size(stage: AnyStage) -> str:
    if isinstance(stage, Rl):
        rollout = f"{stage.prompts} problems x {stage.group_size} completions"
        return f"{stage.steps} steps of {rollout}, up to {stage.sampling.max_tokens} tokens"
    if isinstance(stage, Sft):
        return f"{stage.epochs} epochs of {stage.data.path}, {stage.batch} conversations a step"
    if isinstance(stage, Reject):
        drawn = f"{stage.problems} problems x {stage.samples} samples"
        return f"{drawn}, at most {stage.keep.at_most} kept of each"
    if isinstance(stage, Compare):
        drawn = f"{stage.problems} problems x {stage.samples} samples"
        return f"{drawn}, at most {stage.pairs} pairs of each"
    if isinstance(stage, RewardModel):
        return f"{stage.epochs} epochs of {stage.data.path}, {stage.batch} pairs a step"
    if isinstance(stage, Distill):
        return f"{stage.steps} steps of {stage.prompts} problems, taught by {stage.teacher}"
    if isinstance(stage, Evaluate):
        return f"{stage.problems} problems x {stage.samples} samples"
    return f"{stage.steps} steps of {stage.tokens_per_step} tokens"
