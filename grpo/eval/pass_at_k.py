"""avg@k and unbiased pass@k, with intervals over questions."""

import math
from collections.abc import Sequence

from grpo.eval.best_of import EXACT, expected_best
from grpo.eval.intervals import Estimate, clustered
from grpo.eval.samples import credits_of, demand, size


def avg_at_k(correct: Sequence[Sequence[bool | float]]) -> Estimate:
    """The mean over questions of the mean credit of a question's samples (questions by samples).

    R1's pass@1: (1/k) sum_i p_i, k the samples a question has. Questions weigh the same however
    many samples they have. Raises ValueError for a question without samples or a credit outside
    [0, 1].
    """
    credits = credits_of(correct)
    return clustered([math.fsum(row) / len(row) for row in credits], size(credits))


def pass_at_k(correct: Sequence[Sequence[bool | float]], k: int) -> Estimate:
    """The chance that `k` samples of a question hold a right one, averaged over questions.

    Chen et al. 2021: 1 - C(n - c, k) / C(n, k) for c right samples of n, which is unbiased. For
    credits between 0 and 1 it is the expected best credit of `k`, the same number for bools.
    Raises UserError where a question has fewer than `k` samples, ValueError as `avg_at_k` does.
    """
    credits = credits_of(correct)
    demand(k, credits, "pass")
    return clustered([expected_best(row, row, k) for row in credits], size(credits), EXACT)
