"""The recipe's base and its engine: whether the two go together, said before anything trains.

The engine looks at a checkpoint when it opens it. A stage that trains without sampling may stand
before that, and what is wrong with the base is as wrong in what it makes of it.
"""

from collections.abc import Iterator

from grpo.model.load import base_folder
from grpo.recipe.references import BASE
from grpo.recipe.schema import Recipe
from grpo.recipe.sections import Model, SamplerConfig
from grpo.recipe.stages import AnyStage, Distill, Drawn, Evaluate, Rl
from grpo.sampler import check_sampled
from grpo.workbench.replay import check_replay

SAMPLING = (Rl, Distill, Drawn, Evaluate)
"""The kinds of stages that draw completions from their weights."""


def engine_config(recipe: Recipe) -> SamplerConfig:
    """The recipe's engine, which says what experts it chose where a stage replays that.

    Its dtype is the trainer's where it has none: a bfloat16 base may be trained in float32.
    """
    dtype = recipe.sampler.dtype or (recipe.model or Model(path="")).dtype
    replays = any(isinstance(stage, Rl) and stage.router_replay for stage in recipe.stages)
    changes = {"dtype": dtype} | ({"routed_experts": True} if replays else {})
    return recipe.sampler.model_copy(update=changes)


def check_base(recipe: Recipe) -> None:
    """Raises UserError where the engine would refuse what comes of the base, or a stage could not
    have its experts replayed."""
    sampled = list(_sampled(recipe))
    if recipe.model is None or not sampled:
        return
    folder = base_folder(recipe.model)
    for stage in sampled:
        if isinstance(stage, Rl):
            check_replay(stage, folder)
    check_sampled(folder, engine_config(recipe))


def _sampled(recipe: Recipe) -> Iterator[AnyStage]:
    """The stages that sample from weights that were once the base's."""
    stages = {stage.name: stage for stage in recipe.stages}
    for stage in recipe.stages:
        source = stage.parent
        while source in stages:
            source = stages[source].parent
        if source == BASE and isinstance(stage, SAMPLING):
            yield stage
