"""How many times as much one side takes, and how sure that is."""

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

SEED, RESAMPLES = 0, 2000


@dataclass(frozen=True)
class Ratio:
    """A ratio with its 95% interval.

    >>> Ratio(2.13, 2.02, 2.31)
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{self.value:.2f}"
        return f"{self.value:.2f} ({self.low:.2f}-{self.high:.2f})"


def ratio(above: Sequence[float], below: Sequence[float]) -> Ratio:
    """median(above) / median(below), the two being measured in turns.

    The interval is a bootstrap's over the turns: both sides' steps of the same turns are drawn
    together, 2,000 times, by the generator of seed 0. Raises ValueError for unequal lengths.
    """
    pairs = list(zip(above, below, strict=True))
    rng = random.Random(SEED)
    draws = (rng.choices(pairs, k=len(pairs)) for _ in range(RESAMPLES))
    found = sorted(map(_of_medians, draws))
    return Ratio(_of_medians(pairs), found[RESAMPLES // 40], found[-RESAMPLES // 40 - 1])


def _of_medians(pairs: Sequence[tuple[float, float]]) -> float:
    above, below = zip(*pairs, strict=True)
    return statistics.median(above) / statistics.median(below)
