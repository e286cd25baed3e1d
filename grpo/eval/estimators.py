"""Means of judgements with 95% intervals that treat a question's samples as one cluster."""

# Q = questions, K = samples a question

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grpo.eval.intervals import wilson_limits

RESAMPLES = 2000


@dataclass(frozen=True)
class Estimate:
    """A share with its 95% interval; `n` counts what it is a share of.

    >>> Estimate(mean=0.124, low=0.105, high=0.146, n=1000)
    """

    mean: float
    low: float
    high: float
    n: int


def wilson(successes: int, n: int) -> Estimate:
    """Wilson's interval for `successes` of `n` independent trials; [0, 1] for no trials."""
    if n == 0:
        return Estimate(math.nan, 0.0, 1.0, 0)
    return Estimate(successes / n, *wilson_limits(successes / n, n), n)


def share(
    hits: Sequence[Sequence[bool]], among: Sequence[Sequence[bool]] | None = None
) -> Estimate:
    """The share of `hits` (questions by samples), or of those `among` (accuracy given format).

    With one sample a question this is Wilson's interval; with several, or with a denominator that
    is itself random within questions, a bootstrap over questions (2,000 resamples, seed 0). All
    and none have no spread to resample: there Wilson's interval counts questions, not samples.
    """
    counted = among if among is not None else [[True] * len(row) for row in hits]
    top_Q = np.array(
        [sum(h and c for h, c in zip(*r, strict=True)) for r in zip(hits, counted, strict=True)]
    )
    base_Q = np.array([sum(row) for row in counted])
    if max(map(len, hits), default=1) == 1:
        return wilson(int(top_Q.sum()), int(base_Q.sum()))
    return _bootstrap(top_Q, base_Q)


def _bootstrap(top_Q: np.ndarray, base_Q: np.ndarray) -> Estimate:
    if not base_Q.sum():
        return Estimate(math.nan, 0.0, 1.0, 0)
    if top_Q.sum() in (0, base_Q.sum()):
        every = float(top_Q.sum() > 0)
        return Estimate(every, *wilson_limits(every, int((base_Q > 0).sum())), int(base_Q.sum()))
    rng = np.random.default_rng(0)
    picks = rng.integers(0, len(top_Q), size=(RESAMPLES, len(top_Q)))
    with np.errstate(invalid="ignore"):
        means = top_Q[picks].sum(1) / base_Q[picks].sum(1)
    low, high = np.nanquantile(means, [0.025, 0.975])
    return Estimate(float(top_Q.sum() / base_Q.sum()), float(low), float(high), int(base_Q.sum()))
