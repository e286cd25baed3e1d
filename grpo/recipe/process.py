"""Rules of `objective.process`: the reward whose steps have advantages of their own.

Whether a reward does score steps only its values show; the first rollout says so.
"""

from collections.abc import Iterator

from grpo.recipe.near import did_you_mean
from grpo.recipe.schema import Recipe
from grpo.recipe.stages import AnyStage, Rl

_KEY = "objective.process"


def process_faults(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    """(key, sentence) for a reward the stage does not have, or whose steps could move nothing."""
    name = stage.objective.process if isinstance(stage, Rl) else None
    if not isinstance(stage, Rl) or name is None:
        return
    rewards = recipe.rewards if stage.paid is None else stage.paid
    if name not in rewards:
        yield _KEY, f"no reward of this stage is called {name!r}{did_you_mean(name, rewards)}"
    elif rewards[name].weight == 0:
        yield _KEY, f"the weight of {name!r} is 0, so its steps move nothing; give it a weight"
    if stage.objective.loss == "gspo":
        sentence = "gspo has one ratio a completion, so its steps cannot differ; take another loss"
        yield _KEY, sentence
