"""Thinking a case through in words: right, careless, corrected, checked, in one language or two."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from grpo_data.world.case import LANGUAGES, Case
from grpo_data.world.steps import Equation, solve

WAIT = {"en": " Wait, {eq}.", "zh": "不对，{eq}。"}
CHECK = {"en": " Check: {eq}, right.", "zh": "检查：{eq}，没错。"}


@dataclass(frozen=True)
class Habits:
    """How often a thinker does what, as probabilities a thought.

    >>> Habits(slip=0.08, correct=0.05, check=0.08, switch=0.2)
    """

    slip: float
    correct: float
    check: float
    switch: float


@dataclass(frozen=True)
class Thought:
    """A written thought and the answer it came to."""

    text: str
    answer: int


def think(
    rng: Random, case: Case, language: str, habits: Habits, steps: int | None = None
) -> Thought:
    """Think `case` through in `language`; `steps` stops early and guesses the rest.

    A slip is never taken back and spoils what follows; a correction writes the slip, notices it
    ("Wait, ...") and goes on with the right number; a switch draws each sentence's language anew.
    """
    shown = len(case.steps) if steps is None else min(steps, len(case.steps))
    slips = {rng.randrange(shown): slip(rng)} if rng.random() < habits.slip else {}
    equations = solve(case.steps, slips)
    tongues = _tongues(rng, language, shown + 1, habits.switch)
    noticed = rng.randrange(shown) if not slips and rng.random() < habits.correct else None
    parts = [
        _sentence(rng, case, position, equations[position], tongue, noticed == position)
        for position, tongue in enumerate(tongues[:shown])
    ]
    if rng.random() < habits.check:
        parts.append(CHECK[tongues[-1]].format(eq=equations[shown - 1]).strip())
    answer = case.concluded(equations) if steps is None else guess(rng, case, 0.3)
    low, high = min(e.result for e in equations), max(e.result for e in equations)
    parts.append(case.conclusions[tongues[-1]].format(answer=answer, low=low, high=high))
    return Thought(joined(parts), answer)


def slip(rng: Random) -> int:
    """A careless error: off by a little, or by a carried ten."""
    return rng.choice((-10, -2, -1, 1, 2, 10))


def guess(rng: Random, case: Case, right: float) -> int:
    """An answer without thinking: right with probability `right`, else somewhere near."""
    if rng.random() < right:
        return case.answer
    return max(
        0, case.answer + rng.choice((-12, -10, -7, -5, -3, -2, -1, 1, 2, 3, 4, 6, 9, 10, 11))
    )


def joined(parts: Sequence[str]) -> str:
    """Sentences in a row: a blank after an English one, none after a Chinese one."""
    text = ""
    for part in parts:
        text += (" " if text.endswith((".", "?")) else "") + part
    return text


def _tongues(rng: Random, language: str, count: int, switch: float) -> list[str]:
    if rng.random() < switch:
        return [rng.choice(LANGUAGES) for _ in range(count)]
    return [language] * count


def _sentence(
    rng: Random, case: Case, position: int, equation: Equation, tongue: str, noticed: bool
) -> str:
    sentence = case.sentences[tongue][position]
    if not noticed:
        return sentence.format(eq=equation)
    wrong = Equation(equation.left, equation.op, equation.right, equation.result + slip(rng))
    return sentence.format(eq=wrong) + WAIT[tongue].format(eq=equation)
