"""A mean over questions and its 95% interval, questions being what was drawn at random.

Whatever was computed from a question's samples arrives here as one number in [0, 1] a question.
How it was computed stands beside this file: `pass_at_k`, `consensus`, `best_of`.

Why this interval. A benchmark's questions are a draw from those that might have been asked, and
samples of one question resemble each other, so the question is the unit. The normal interval
covers too little for 30 questions and has no width at 0% and 100%; so has the bootstrap. Wilson's
interval has neither fault; it is taken at the effective number of questions, as surveys by
clusters do (Korn and Graubard 1998), with Student's quantile in place of the normal one.
"""

# Q = questions

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import mpmath
import numpy as np

Z95 = 1.959963984540054
WILSON = "Wilson at the effective number of questions"
STUDENT = "Student's t over questions"
# Weight of the belief that questions are all or nothing, in questions of the rarer outcome. Where
# one or two of 30 questions are ever solved their spread is no guide: without this, coverage was
# 84% there; with a whole question of it, intervals double where questions are alike.
BELIEF = 0.25


@dataclass(frozen=True)
class Estimate:
    """A value with the ends of its 95% interval, what it was made of, and how.

    >>> Estimate(0.124, 0.105, 0.146, 500, 8000, "Wilson at the effective number of questions")
    """

    value: float
    low: float
    high: float
    n_questions: int
    n_samples: int
    method: str


def wilson_limits(p: float, n: float, quantile: float = Z95) -> tuple[float, float]:
    """Wilson's limits for the share `p` of `n` independent trials; `n` need not be whole.

    (p + q^2/2n -+ q sqrt(p(1 - p)/n + q^2/4n^2)) / (1 + q^2/n), q the quantile.
    """
    scale = 1 + quantile**2 / n
    centre = (p + quantile**2 / (2 * n)) / scale
    half = quantile / scale * math.sqrt(max(0.0, p * (1 - p)) / n + quantile**2 / (4 * n**2))
    # At p = 0 and 1 the limit is p itself, which the subtraction only nearly says.
    return min(p, max(0.0, centre - half)), max(p, min(1.0, centre + half))


@lru_cache(maxsize=4096)
def t95(freedom: int) -> float:
    """The 97.5% quantile of Student's t with `freedom` >= 1 degrees of freedom.

    P(|T| > t) is the regularised incomplete beta function I_x(f/2, 1/2) at x = f/(f + t^2).
    """

    def excess(t: mpmath.mpf) -> mpmath.mpf:
        x = freedom / (freedom + t * t)
        return mpmath.betainc(freedom / 2, 0.5, 0, x, regularized=True) - 0.05

    return float(mpmath.findroot(excess, (1.9, 13), solver="illinois"))


def clustered(values_Q: Sequence[float], n_samples: int, how: str = "") -> Estimate:
    """The mean of `values_Q`, one value in [0, 1] a question, each question weighing the same.

    With p the mean, s^2 the variance of the values (over Q), and e = Q min(p, 1 - p) the expected
    count of the rarer outcome, the design effect is

        D = (e s^2 / (p(1 - p)) + 1/4) / (e + 1/4)

    and the interval is Wilson's for Q/D trials, with t of Q - 1 degrees of freedom. A value is at
    most all or nothing, so D <= 1; it is 1 with one sample a question, and at p = 0 and p = 1,
    where nothing is known of the spread. `how` says how the values came about. No question, or
    one, bounds nothing: [0, 1]. Raises ValueError for a value outside [0, 1].
    """
    values = np.asarray(values_Q, dtype=float)
    method = f"{how}; {WILSON}" if how else WILSON
    if not len(values):
        return Estimate(math.nan, 0.0, 1.0, 0, n_samples, method)
    # Written so that NaN fails too; a rounded mean may stand a hair outside.
    if not np.all((values >= -1e-9) & (values <= 1 + 1e-9)):
        raise ValueError(f"values must be in [0, 1], got {values.min()} to {values.max()}")
    p = min(1.0, max(0.0, float(values.mean())))
    low, high = _limits(p, float(values.var()), len(values))
    return Estimate(p, low, high, len(values), n_samples, method)


def unbounded(values_Q: Sequence[float], n_samples: int, method: str = STUDENT) -> Estimate:
    """The mean of `values_Q`, one real number a question, m -+ t sqrt(s^2 / (Q - 1)).

    For what is no share, such as a reward model's logits. One question bounds nothing: the ends
    are infinite, and so they are for none.
    """
    values, count = np.asarray(values_Q, dtype=float), len(values_Q)
    mean = float(values.mean()) if count else math.nan
    if count < 2:
        return Estimate(mean, -math.inf, math.inf, count, n_samples, method)
    half = t95(count - 1) * math.sqrt(float(values.var()) / (count - 1))
    return Estimate(mean, mean - half, mean + half, count, n_samples, method)


def _limits(p: float, variance: float, count: int) -> tuple[float, float]:
    if count == 1:
        return 0.0, 1.0
    rarer = count * min(p, 1 - p)
    observed = variance / (p * (1 - p)) if rarer > 0 else 1.0
    effect = (rarer * observed + BELIEF) / (rarer + BELIEF)
    return wilson_limits(p, count / effect, t95(count - 1))
