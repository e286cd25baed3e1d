"""The law of repeated sampling: coverage against the number of samples, in two parameters.

Brown et al. 2024 (Large Language Monkeys): c(k) = exp(a k^b). Other laws are not here, and the
law says nothing of the error beyond the largest k it was fitted to.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Law:
    """c(k) = exp(a k^b) with a < 0; `residual` is the root mean square of coverage minus the law.

    `fitted` are the k it was fitted to, `left_out` those where coverage is 0 or 1: there
    log(-log c) is infinite, but they count in the residual.

    >>> Law(a=-2.3, b=-0.41, residual=0.006, fitted=(1, 2, 4, 8), left_out=())
    """

    a: float
    b: float
    residual: float
    fitted: tuple[int, ...]
    left_out: tuple[int, ...]

    def at(self, k: float) -> float:
        """The coverage of `k` samples by this law."""
        return math.exp(self.a * k**self.b)


def fit_law(coverage: Mapping[int, float]) -> Law | None:
    """Fit the law to coverage in [0, 1] by k >= 1; None with fewer than two k strictly between.

    Least squares of log(-log c) = log(-a) + b log k, each point weighed by c (log c)^2 / (1 - c):
    the inverse of the variance that a share's own, c(1 - c), gives log(-log c). It goes to
    nought at c = 0 and c = 1, so nearly solved ends do not drag the line.
    """
    inside = {k: c for k, c in sorted(coverage.items()) if 0.0 < c < 1.0}
    if len(inside) < 2:
        return None
    c = np.array(list(inside.values()))
    weight = c * np.log(c) ** 2 / (1 - c)
    slope, offset = np.polyfit(np.log(list(inside)), np.log(-np.log(c)), 1, w=np.sqrt(weight))
    a, b = -math.exp(offset), float(slope)
    misses = [c - math.exp(a * k**b) for k, c in coverage.items()]
    residual = math.sqrt(math.fsum(miss**2 for miss in misses) / len(misses))
    return Law(a, b, residual, tuple(inside), tuple(sorted(set(coverage) - set(inside))))
