"""The sign-flip test: how often chance alone makes a sum of paired differences this large."""

# P = pairs whose difference is not 0

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import product

import numpy as np

EXACT = "exact sign flips"
LISTED = 14
# Additions the exact distribution may cost; 500 questions of 64 samples a side cost 16 million.
AFFORDABLE = 300_000_000
DRAWN = 20_000
SEED = 0


def sign_flip_p(differences: Sequence[Fraction]) -> tuple[float, str]:
    """The two-sided p-value of the sum of `differences`, and how it was found.

    If neither side is better, each difference is as likely to have come with the other sign:
    p = P(|sum_i s_i d_i| >= |sum_i d_i|) over all 2^P signs s. With one sample a side this is
    McNemar's exact test. Exact up to 14 differences, and beyond where they are multiples of one
    not too small unit (of right and wrong samples they are); else over 20,000 draws of signs,
    p = (1 + as large) / (1 + draws).
    """
    changed = [d for d in differences if d]
    sizes_P = np.array([abs(float(d)) for d in changed])
    if len(changed) <= LISTED:
        signs = np.array(list(product((1.0, -1.0), repeat=len(changed))))
        return _as_large(signs, sizes_P, float(sum(changed))) / len(signs), EXACT
    unit = math.lcm(*(d.denominator for d in changed))
    steps = [int(d * unit) for d in changed]
    if len(steps) * sum(map(abs, steps)) <= AFFORDABLE:
        return _exact([abs(step) for step in steps], abs(sum(steps))), EXACT
    rng = np.random.default_rng(SEED)
    signs = rng.choice((1.0, -1.0), size=(DRAWN, len(changed)))
    hits = _as_large(signs, sizes_P, float(sum(changed)))
    return (1 + hits) / (1 + DRAWN), f"Monte Carlo sign flips, {DRAWN} draws, seed {SEED}"


def _as_large(signs: np.ndarray, sizes_P: np.ndarray, observed: float) -> int:
    # A hair below, so that the same sum in another order is as large.
    bound = abs(observed) - 1e-9 * float(sizes_P.sum())
    return int((np.abs(signs @ sizes_P) >= bound).sum())


def _exact(steps: Sequence[int], observed: int) -> float:
    """Chances of each sum of the steps that keep their sign, built up a step at a time."""
    total = sum(steps)
    chance = np.zeros(total + 1)
    chance[0] = 1.0
    for step in steps:
        moved = np.zeros_like(chance)
        moved[step:] = chance[: total + 1 - step]
        chance = (chance + moved) / 2
    # A kept sum x leaves total - x with the other sign: the signed sum is 2x - total.
    sums = np.abs(2 * np.arange(total + 1) - total)
    return min(1.0, float(chance[sums >= observed].sum()))
