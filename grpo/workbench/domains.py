"""An rl stage's `domains` table and its problems: in which order they come, and what pays for each.

What the table shows to be wrong by itself is the recipe's to say; a stage without a table has one
order over all of its problems, and one set of rewards.
"""

from collections.abc import Sequence

from grpo.errors import UserError
from grpo.recipe.chain import Domain
from grpo.recipe.stages import Rl
from grpo.rollout.fixed import Order
from grpo_data.blend import Blend, Part
from grpo_data.mixture import Stream
from grpo_data.problem import Problem


def order(stage: Rl, problems: Sequence[Problem], seed: int) -> Order:
    """The order in which the stage meets its training problems.

    Raises UserError where problems and table do not go together.
    """
    if stage.domains is None:
        return Stream(problems, seed)
    found = _by_domain(problems)
    _check_known(stage, stage.domains, found)
    return Blend(
        {
            name: Part(found[name], domain.share, domain.first(stage.steps))
            for name, domain in stage.domains.items()
        },
        seed,
    )


def weights(stage: Rl) -> dict[str, dict[str, float]] | None:
    """By domain, what each of its rewards counts; None where the rewards are the same for all."""
    if stage.domains is None:
        return None
    return {
        name: {reward: paid.weight for reward, paid in domain.rewards.items()}
        for name, domain in stage.domains.items()
    }


def check_exam(stage: Rl, held_out: Sequence[Problem]) -> None:
    """Raises UserError where looks are asked for and no problem held out has a right answer."""
    if stage.domains is None or not stage.evaluate_every:
        return
    if all(problem.is_open for problem in held_out):
        raise UserError(
            f"stage {stage.name!r} looks at held-out problems with a right answer, and none of the "
            f"{len(held_out):,} held out has one; set its evaluate_every to 0"
        )


def _by_domain(problems: Sequence[Problem]) -> dict[str, list[Problem]]:
    found: dict[str, list[Problem]] = {}
    for problem in problems:
        found.setdefault(problem.domain, []).append(problem)
    return found


def _check_known(stage: Rl, table: dict[str, Domain], found: dict[str, list[Problem]]) -> None:
    if unpaid := [name for name in found if name not in table]:
        raise UserError(
            f"stage {stage.name!r}: {len(found[unpaid[0]]):,} of its problems are of domain "
            f"{unpaid[0]!r}, which has no line in domains; give it one with the rewards that pay "
            "for it"
        )
    if empty := [name for name in table if name not in found]:
        raise UserError(
            f"stage {stage.name!r}: none of its training problems is of domain {empty[0]!r}, which "
            f"has a line in domains; they are of {', '.join(found)}"
        )
