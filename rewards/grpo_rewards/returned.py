"""What a reward function returned, as judgements: numbers, or the scores of a completion's steps.

Numbers and None are TRL's contract. Steps are ours: TRL knows none, so a function that returns them
runs here alone.
"""

import math
import operator
from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import pairwise
from typing import Any

from grpo_rewards.verdict import SKIPPED, Judged, Steps


class BadReturn(ValueError):
    """A reward function returned what is no number, no None and no steps of a completion."""


def judgements(values: Any, lengths: Sequence[int]) -> tuple[Judged, ...]:
    """The judgements of completions of `lengths` characters, one for each of a function's values.

    Raises BadReturn for another number of values, and for the first that is none.
    """
    if not isinstance(values, Iterable) or isinstance(values, str | bytes | Mapping | Set):
        raise BadReturn(f"returned {type(values).__name__} for {len(lengths)} completions")
    values = list(values)
    if len(values) != len(lengths):
        raise BadReturn(f"returned {len(values)} values for {len(lengths)} completions")
    return tuple(_judged(*one) for one in zip(values, lengths, strict=True))


def _judged(value: Any, length: int) -> Judged:
    """One value as a judgement: above zero counts as correct."""
    if value is None:
        return SKIPPED
    steps = _steps(value, length) if isinstance(value, list | tuple) else None
    number = _number(value) if steps is None else _mean(steps)
    return Judged(number, "correct" if number > 0 else "wrong", steps=steps)


def _number(value: Any) -> float:
    if not math.isfinite(number := _float(value)):
        raise BadReturn(f"returned {value!r:.80}, which is neither a finite number nor None")
    return number


def _steps(value: Sequence[Any], length: int) -> Steps:
    try:
        steps = tuple((operator.index(end), _float(score)) for end, score in value)
    except (TypeError, ValueError) as error:
        what = "which are no (end, score) pairs with whole ends"
        raise BadReturn(f"returned steps {value!r:.80}, {what}") from error
    if not all(a < b for a, b in pairwise([0, *(end for end, _ in steps), length + 1])):
        raise BadReturn(
            f"returned steps that end at {[end for end, _ in steps]!r:.80}; "
            f"ends must rise, from 1 to the completion's {length} characters"
        )
    if bad := [end for end, score in steps if not math.isfinite(score)]:
        raise BadReturn(f"returned no finite score for the step that ends at {bad[0]}")
    return steps


def _mean(steps: Steps) -> float:
    """The mean score; 0 without a step, for then nothing speaks for the completion."""
    return math.fsum(score for _, score in steps) / len(steps) if steps else 0.0


def _float(value: Any) -> float:
    """The number that `value` is; NaN where it is none."""
    try:
        return math.nan if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
