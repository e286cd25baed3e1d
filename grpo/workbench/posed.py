"""What an evaluate stage asks: problems of reasoning, and beside them those without a right answer.

R1 scores the two apart, and so does the tiny world: strictness means nothing to a greeting.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from grpo.errors import UserError
from grpo.eval.result import GENERAL, REASONED
from grpo.eval.task import Task, by_rewards, looked_on
from grpo.recipe.sections import Prompt
from grpo.recipe.stages import Evaluate
from grpo_data.problem import Problem

PURPOSE = "evaluate"


def posed(
    stage: Evaluate, held_out_problems: Sequence[Problem], prompt: Prompt
) -> tuple[Task, ...]:
    """What the stage asks: problems of reasoning as one task, those of all other domains, which
    have no right answer, as another.

    Raises UserError where there is no problem, or nothing to judge those of the second task by.
    """
    problems = held_out_problems[: stage.problems]
    if not problems:
        raise UserError(
            f"stage {stage.name!r} has no held-out problems: raise data.held_out or name a "
            "data.held_out_path"
        )
    rewards = {name: paid.model_dump() for name, paid in (stage.rewards or {}).items()}
    general = [problem for problem in problems if problem.is_open]
    if general and not rewards:
        domains = ", ".join(sorted({problem.domain for problem in general}))
        raise UserError(
            f"stage {stage.name!r}: {len(general):,} of its problems have no right answer (domain "
            f"{domains}) and nothing judges what is answered; give the stage rewards"
        )
    # One purpose: a problem's noise is the same whatever is asked beside it.
    tasks = [held_out(reasoned(problems), prompt, stage.samples, PURPOSE, rewards)]
    if general:
        marking = by_rewards(rewards)
        tasks.append(Task(GENERAL, tuple(general), prompt, marking, stage.samples, PURPOSE))
    return tuple(task for task in tasks if task.problems)


def reasoned(problems: Sequence[Problem]) -> list[Problem]:
    """Those that have a right answer."""
    return [problem for problem in problems if not problem.is_open]


def held_out(
    problems: Sequence[Problem],
    prompt: Prompt,
    samples: int,
    purpose: str,
    rewards: Mapping[str, Any] | None = None,
) -> Task:
    """A run's own problems as a task, judged strictly, leniently and by their form, while
    `rewards` look on."""
    return Task(REASONED, tuple(problems), prompt, looked_on(rewards or {}), samples, purpose)
