"""The exact step checker: which equations of a thought are true, and which the problem asks for.

It stands for a perfect process reward model. It reads equations, not words: a thought that
argues without arithmetic has no steps.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from grpo_data.world.steps import Equation

# A careless thinker may slip below nought and go on from there: -3+8=5, 20--3=23.
EQUATION = re.compile(r"(?<!\d)(-?\d{1,4})\s*([+\-*])\s*(-?\d{1,4})\s*=\s*(-?\d{1,4})(?!\d)")


@dataclass(frozen=True)
class CheckedStep:
    """One equation of a thought: is it true, and does the problem ask for it at this point?

    >>> CheckedStep("23+14=37", true=True, expected=True)
    """

    text: str
    true: bool
    expected: bool


def check_steps(thought: str, steps: Sequence[str]) -> tuple[CheckedStep, ...]:
    """Every equation in `thought` against the problem's right `steps` (its `steps` column).

    A step is expected when it is the next one of the problem's, or repeats one already made
    (a check or a correction may say a step again).
    """
    made = 0
    checked = []
    for match in EQUATION.finditer(thought):
        equation = Equation(int(match[1]), match[2], int(match[3]), int(match[4]))
        text = str(equation)
        if made < len(steps) and text == steps[made]:
            made += 1
            expected = True
        else:
            expected = text in steps[:made]
        checked.append(CheckedStep(text, equation.right_result, expected))
    return tuple(checked)


def thinks_in_full(thought: str, steps: Sequence[str]) -> bool:
    """Whether the thought attempts as many different sums as the problem has, right or wrong.

    A sum that is said again, as a check or a correction, is one attempt.
    """
    return len(_sums(thought)) >= len(_sums(" ".join(steps)))


def _sums(text: str) -> set[tuple[int, str, int]]:
    return {(int(left), op, int(right)) for left, op, right, _ in EQUATION.findall(text)}
