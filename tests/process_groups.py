"""Groups of two completions whose judgements have steps: alive by these, by outcomes, or dead."""

import math

from grpo.types import Completion, Group, Judgement, Steps
from grpo_data.problem import Problem

NAN = math.nan
MINE = "mine.py:steps"
DRAWN = ((7, 8, 9, 10, 11, 12), (20, 21, 22))
Said = tuple[float | None, Steps | None]
"""What accuracy and the step reward say of a completion; None: nothing."""


def group(*said: Said, domain: str = "reasoning") -> Group:
    """Two completions of 6 and 3 tokens with these judgements."""
    judgements = tuple(
        Judgement(
            NAN,  # nobody reads the sum of all where steps stand for themselves
            {"accuracy": accuracy, MINE: None if some is None else 0.5},
            {},
            {},
            {} if some is None else {MINE: some},
        )
        for accuracy, some in said
    )
    drawn = tuple(Completion("", ids, (-1.0,) * len(ids), "stop") for ids in DRAWN)
    problem = Problem("p", "?", "7", "k", {"domain": domain})
    return Group(problem, "?", (5, 6), drawn, judgements)


LIVE = group((1.0, ((2, 1.0), (4, 0.0))), (0.0, ((1, 1.0),)))
BY_STEPS = group((1.0, ((2, 1.0), (4, 0.0))), (1.0, ()))
DEAD = group((1.0, ((2, 1.0), (4, 1.0))), (1.0, ()))
