"""Whether a recipe lets its sampler say what a stage replays; whether it can, the model shows."""

from collections.abc import Iterator

from grpo.recipe.schema import Recipe
from grpo.recipe.stages import AnyStage, Rl


def replay_faults(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    """(key inside the stage, sentence) for a replay of experts that nobody names."""
    if isinstance(stage, Rl) and stage.router_replay and recipe.sampler.routed_experts is False:
        sentence = "needs the sampler's choice, and sampler.routed_experts is false; leave that out"
        yield "router_replay", sentence
