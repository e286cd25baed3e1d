"""A process reward: the text of a thought to the scores of its steps, and those to one number.

Who scores stands beside this file: the tiny world's exact checker, and any trained model.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Thought:
    """A thought, whole or as far as it has come, with the prompt it follows.

    `columns` are the problem's others.

    >>> Thought("<|user|>Start with 7. Add 5.<|end|><|assistant|>", "<think>First, 7+5=12.",
    ...         {"steps": ["7+5=12"]})
    """

    prompt: str
    text: str
    columns: Mapping[str, Any] = field(default_factory=dict)


class StepScorer(Protocol):
    """A process reward model, or what stands for one."""

    def score(self, thoughts: Sequence[Thought]) -> list[tuple[float, ...]]:
        """The scores in [0, 1] of each thought's steps, in their order; none where it has none."""
        ...


REDUCTIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "last": lambda scores: scores[-1],
    "min": min,
    "mean": lambda scores: math.fsum(scores) / len(scores),
    "product": math.prod,
}
"""How the scores of steps become one. A slip that is taken back later costs nothing in the last."""


def reduced(scores: Sequence[float], how: str) -> float:
    """One score of a thought, in [0, 1]: 0 without a step, for then nothing speaks for it."""
    return REDUCTIONS[how](scores) if scores else 0.0
