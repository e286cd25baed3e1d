"""Best-of-n: the sample that scores highest among k drawn at random, in closed form.

The score is a reward model's, a process reward model's, or any number a sample. Which score to
use, and how a process reward model's steps become one number, is the caller's.
"""

import math
from collections.abc import Sequence
from itertools import groupby

from grpo.eval.intervals import Estimate, clustered
from grpo.eval.samples import alike, credits_of, demand, known, size

EXACT = "exact expectation over subsets"


def best_of_k(
    correct: Sequence[Sequence[bool | float]],
    scores: Sequence[Sequence[float | None]],
    k: int,
) -> Estimate:
    """The mean credit of the best-scored of `k` of a question's samples (questions by samples).

    Equal scores share: each of them is as likely to be chosen. A sample without a score (None,
    NaN) ranks last. Raises UserError where a question has fewer than `k` samples, ValueError
    where the tables do not match.
    """
    credits = credits_of(correct)
    alike(correct, scores, "scores")
    demand(k, credits, "best-of-n")
    values = [expected_best(row, ranks, k) for row, ranks in zip(credits, scores, strict=True)]
    return clustered(values, size(credits), EXACT)


def expected_best(credits: Sequence[float], scores: Sequence[float | None], k: int) -> float:
    """The expected credit of the best-scored of `k` of n samples, drawn without replacement.

    With the samples in blocks b of equal score, ascending, and N_b the samples up to block b,

        E = sum_b mean credit of b x (C(N_b, k) - C(N_{b-1}, k)) / C(n, k),

    in whole numbers, rounded once at the division: nothing overflows and nothing cancels.
    """
    ranked = sorted(
        (float(score) if score is not None and known(score) else -math.inf, credit)
        for score, credit in zip(scores, credits, strict=True)
    )
    everything, below, terms = math.comb(len(ranked), k), 0, []
    for _, block in groupby(ranked, key=lambda pair: pair[0]):
        earned = [credit for _, credit in block]
        upto = below + len(earned)
        chance = (math.comb(upto, k) - math.comb(below, k)) / everything
        terms.append(math.fsum(earned) / len(earned) * chance)
        below = upto
    return math.fsum(terms)
