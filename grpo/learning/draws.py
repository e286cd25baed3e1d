"""What an rl stage draws for a step, and which of it the step learns from."""

from grpo.errors import UserError
from grpo.learning.process import Process
from grpo.objective import dead_groups
from grpo.recipe.schema import Recipe
from grpo.recipe.stages import Rl
from grpo.rollout.ahead import Ahead
from grpo.rollout.bank import Bank, Live
from grpo.rollout.fixed import Fixed
from grpo.rollout.rewards import rewards_PG
from grpo.rollout.shelf import RolloutShelf
from grpo.timing import Stopwatch
from grpo.types import Rollout
from grpo.workbench.workbench import Workbench


def draws(
    stage: Rl, bench: Workbench, shelf: RolloutShelf, watch: Stopwatch
) -> Fixed | Bank | Ahead:
    """A fixed number of prompts a step, or as many as it takes; ahead of the updates, or between.

    Raises UserError where several processes would draw ahead.
    """
    rollouts = _in_turn(stage, bench, shelf)
    if not stage.ahead:
        return rollouts
    if bench.accelerator.num_processes > 1:
        raise UserError(
            f"stage {stage.name!r} draws ahead, which several processes cannot: their rollouts and "
            "updates would wait for one another in no fixed order; set its `ahead` to 0"
        )
    return Ahead(rollouts, watch)


def _in_turn(stage: Rl, bench: Workbench, shelf: RolloutShelf) -> Fixed | Bank:
    problems = bench.order(stage)
    if stage.refill is None:
        return Fixed(shelf, problems, stage.prompts)
    return Bank(
        shelf,
        problems,
        _live(stage, bench.recipe),
        prompts=stage.prompts,
        rounds=stage.refill.rounds,
        by_domain=stage.domains is not None,
    )


def _live(stage: Rl, recipe: Recipe) -> Live:
    """Which groups teach something, as `Teacher` sees it."""
    name = stage.objective.process
    process = Process(name, stage, recipe) if name else None

    def live(rollout: Rollout) -> list[bool]:
        if process is None:
            alive_P = ~dead_groups(rewards_PG(rollout))
        else:
            alive_P = ~dead_groups(process.outcomes_PG(rollout)) | process.live_P(rollout)
        found: list[bool] = alive_P.tolist()
        return found

    return live
