"""Scores with their 95% intervals: read from an evaluation, subtracted, put into words.

No interval is estimated here but that of a difference: whoever evaluated knows how its problems
were drawn, and wrote the interval down.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

NONE = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Score:
    """A share (or a difference of two shares) and the ends of its 95% interval, if known.

    >>> Score(0.712, 0.683, 0.739)
    """

    mean: float
    low: float | None = None
    high: float | None = None


def read_score(scores: Any, name: str) -> Score | None:
    """The score `name` of an evaluation's mapping of scores; None when absent or not a number."""
    value = scores.get(name) if isinstance(scores, Mapping) else None
    numbers = value if isinstance(value, Mapping) else {"value": value}
    mean = number(numbers.get("value"))
    if mean is None:
        return None
    return Score(mean, number(numbers.get("low")), number(numbers.get("high")))


def number(value: Any) -> float | None:
    """`value` as a finite float; None for anything else, booleans included."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def difference(before: Score | None, after: Score | None) -> Score | None:
    """after - before, with an interval made of theirs (Newcombe 1998, method 10).

    low = d - sqrt((after - after.low)^2 + (before.high - before)^2), and likewise high. It takes
    the two for independent; where the same problems were answered twice, as here, it is wider
    than need be and never too narrow in practice.
    """
    if before is None or after is None:
        return None
    gap = after.mean - before.mean
    if None in (before.low, before.high, after.low, after.high):
        return Score(gap)
    assert before.low is not None and before.high is not None
    assert after.low is not None and after.high is not None
    down = math.hypot(after.mean - after.low, before.high - before.mean)
    up = math.hypot(after.high - after.mean, before.mean - before.low)
    return Score(gap, gap - down, gap + up)


def percent(score: Score | None) -> str:
    """`71.2%`, or a dash."""
    return NONE if score is None else f"{100 * score.mean:.1f}%"


def is_share(benchmark: Mapping[str, Any]) -> bool:
    """Whether the benchmark's score is a share; the mean of a reward need not be one."""
    share: bool = benchmark.get("rewards", {}).get(benchmark["verdict"], {}).get("share", True)
    return share


def amount(score: Score | None, share: bool) -> str:
    """A share in percent, any other mean with two decimals."""
    return percent(score) if share or score is None else decimals(score.mean)


def amount_interval(score: Score | None, share: bool) -> str:
    """`amount`'s interval; empty when there is none."""
    if share or score is None or score.low is None or score.high is None:
        return interval(score)
    return f"{decimals(score.low)} to {decimals(score.high)}"


def decimals(value: float, sign: Literal["-", "+"] = "-") -> str:
    """Two decimals, `+` before what is above zero if asked; what rounds to nothing has no sign."""
    text = f"{value:{sign}.2f}"
    return "0.00" if text in ("-0.00", "+0.00") else text.replace("-", MINUS)


def interval(score: Score | None) -> str:
    """`68.3-73.9` with an en dash, in percent; empty when there is none."""
    if score is None or score.low is None or score.high is None:
        return ""
    return f"{100 * score.low:.1f}\N{EN DASH}{100 * score.high:.1f}"


def points(score: Score | None) -> str:
    """`+52.9`, percentage points, or a dash."""
    return NONE if score is None else signed(100 * score.mean)


def points_interval(score: Score | None) -> str:
    """`+49.5 to +56.1`; empty when there is none."""
    if score is None or score.low is None or score.high is None:
        return ""
    return f"{signed(100 * score.low)} to {signed(100 * score.high)}"


def signed(value: float) -> str:
    """One decimal with its sign; what rounds to nothing has none."""
    text = f"{value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", MINUS)
