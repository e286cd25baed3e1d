"""Whether two trainers learn the same: their rewards over steps, a run a seed and side.

The seed is what was drawn at random, so it is the unit. Of each run two numbers are taken, the mean
reward of all steps and of the last quarter; "within noise" means that for both the 95% interval of
the difference of the sides' means over seeds (Student's t, pooled variance) holds 0. How wide the
interval is says what difference could have gone unseen.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grpo.eval.intervals import t95

Runs = Mapping[str, Sequence[Mapping[str, Any]]]
"""By side, the documents of its seeds, in one order."""


@dataclass(frozen=True)
class Difference:
    """Ours less TRL's, the means over seeds, with the 95% interval.

    >>> Difference("all steps", ours=0.412, trl=0.409, low=-0.03, high=0.036)
    """

    of: str
    ours: float
    trl: float
    low: float
    high: float

    @property
    def within_noise(self) -> bool:
        """Whether the interval holds 0."""
        return self.low <= 0 <= self.high


def difference(of: str, ours: Sequence[float], trl: Sequence[float]) -> Difference:
    """The difference of two means, a value a seed each. Raises ValueError for fewer than 2 seeds.

    half width = t(n + m - 2) sqrt(s^2 (1/n + 1/m)), s^2 the pooled variance.
    """
    n, m = len(ours), len(trl)
    if min(n, m) < 2:
        raise ValueError(f"a difference needs 2 seeds a side, got {n} and {m}")
    freedom = n + m - 2
    pooled = ((n - 1) * statistics.variance(ours) + (m - 1) * statistics.variance(trl)) / freedom
    half = t95(freedom) * math.sqrt(pooled * (1 / n + 1 / m))
    first, second = statistics.fmean(ours), statistics.fmean(trl)
    return Difference(of, first, second, first - second - half, first - second + half)


def differences(runs: Runs) -> list[Difference]:
    """Over all steps, and over the last quarter of them."""
    rewards = {
        s: [[step["reward"] for step in run["steps"]] for run in of] for s, of in runs.items()
    }
    quarter = len(rewards["ours"][0]) // 4
    parts = {"all steps": 0, f"the last {quarter} steps": -quarter}
    return [
        difference(
            name,
            *([statistics.fmean(one[first:]) for one in rewards[s]] for s in ("ours", "trl")),
        )
        for name, first in parts.items()
    ]


def verdict_rows(runs: Runs) -> list[tuple[str, ...]]:
    """A line a difference."""
    return [
        (one.of, f"{one.ours:.3f}", f"{one.trl:.3f}",
         f"{one.ours - one.trl:+.3f} ({one.low:+.3f} to {one.high:+.3f})")
        for one in _told(runs)
    ]  # fmt: skip


def verdict(runs: Runs) -> str:
    """The test in a sentence or two."""
    seeds = len(runs["ours"])
    found = _told(runs)
    if not found:
        return f"{seeds} seed a side: no test."
    said = "within noise" if all(one.within_noise for one in found) else "not within noise"
    return (
        f"{seeds} seeds a side: {said}. The test: the 95% interval of the difference of the means "
        "over seeds (Student's t) holds 0, for all steps and for the last quarter."
    )


def taken(runs: Runs) -> str:
    """What training took a side, its first step apart, in which compilers work."""
    seconds = {s: [sum(step["seconds"] for step in run["steps"][1:]) for run in runs[s]]
               for s in ("ours", "trl")}  # fmt: skip
    times = [theirs / ours for ours, theirs in zip(seconds["ours"], seconds["trl"], strict=True)]
    ours, trl = (statistics.median(of) for of in seconds.values())
    live = statistics.fmean(step["live"] for run in runs["ours"] for step in run["steps"])
    return (
        f"Steps 2 to {len(runs['ours'][0]['steps'])} took {ours:.0f} s of ours and {trl:.0f} s of "
        f"TRL's (medians over seeds), {statistics.median(times):.2f} times as long "
        f"({min(times):.2f} to {max(times):.2f}); {live:.0%} of the groups taught."
    )


def _told(runs: Runs) -> list[Difference]:
    return differences(runs) if len(runs["ours"]) > 1 else []
