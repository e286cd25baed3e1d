"""Two results compared question by question.

Questions that both answered are compared, the others named. That the questions of one name are
the same questions is the caller's to know. Several comparisons at once are not corrected for.

Why this interval. The difference of means over common questions is a mean of differences, and
what makes a question hard cancels within it; so Student's t over questions. It has no width where
no question changed, so the sum of squares gets about what one more question would add whose
samples differ by chance alone (after Agresti and Min 2005, who add whole ones). It is too narrow
where a difference hangs on one or two questions of few: `flips` shows those.
"""

# Q = questions in common

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from grpo.errors import UserError
from grpo.eval.intervals import Estimate, t95
from grpo.eval.pass_at_k import avg_at_k
from grpo.eval.samples import credits_of, size
from grpo.eval.sign_flip import sign_flip_p

METHOD = "Student's t over paired questions"
Result = Mapping[str, Sequence[bool | float]]


@dataclass(frozen=True)
class Flip:
    """A question whose mean credit is not what it was.

    >>> Flip("gsm8k/17", before=0.25, after=1.0)
    """

    question: str
    before: float
    after: float

    @property
    def change(self) -> float:
        """after - before, in [-1, 1]."""
        return self.after - self.before


@dataclass(frozen=True)
class Comparison:
    """Two results over the questions in common; `difference` is after - before, in [-1, 1].

    `p` is two-sided and `p_method` says how it was found. `flips` are the questions that changed,
    most changed first. `only_before` and `only_after` were left out.

    >>> Comparison(Estimate(0.31, ...), Estimate(0.36, ...), Estimate(0.05, 0.02, 0.08, ...),
    ...     0.0013, "exact sign flips", (Flip("q7", 0.0, 1.0),), (), ("q9",))
    """

    before: Estimate
    after: Estimate
    difference: Estimate
    p: float
    p_method: str
    flips: tuple[Flip, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]

    @property
    def improved(self) -> int:
        """Questions with a higher mean credit than before."""
        return sum(flip.change > 0 for flip in self.flips)

    @property
    def worsened(self) -> int:
        """Questions with a lower mean credit than before."""
        return sum(flip.change < 0 for flip in self.flips)


def compare(before: Result, after: Result) -> Comparison:
    """Compare the samples' credits of two results, by question; each may have its own k.

    Where k differs, the differences are symmetric under the null hypothesis, as the sign flips
    take them, only nearly so. Raises UserError where no question is in common, ValueError for a
    question without samples or a credit outside [0, 1].
    """
    common = [question for question in before if question in after]
    if not common:
        raise UserError(_nothing_in_common(before, after))
    old, new = (credits_of([result[q] for q in common]) for result in (before, after))
    changes = [_mean(b) - _mean(a) for a, b in zip(old, new, strict=True)]
    p, p_method = sign_flip_p(changes)
    return Comparison(
        avg_at_k(old),
        avg_at_k(new),
        difference(changes, old, new),
        p,
        p_method,
        _flips(common, old, new),
        tuple(question for question in before if question not in after),
        tuple(question for question in after if question not in before),
    )


def _mean(credits: Sequence[float]) -> Fraction:
    """Exact, so that equal means are equal: 1/3 of three samples is 2/6 of six."""
    return Fraction(math.fsum(credits)) / len(credits)


def _flips(
    questions: Sequence[str], old: Sequence[Sequence[float]], new: Sequence[Sequence[float]]
) -> tuple[Flip, ...]:
    changed = [
        Flip(question, float(_mean(a)), float(_mean(b)))
        for question, a, b in zip(questions, old, new, strict=True)
        if _mean(a) != _mean(b)
    ]
    return tuple(sorted(changed, key=lambda flip: -abs(flip.change)))


def difference(
    changes: Sequence[float | Fraction],
    old: Sequence[Sequence[float]],
    new: Sequence[Sequence[float]],
) -> Estimate:
    """The mean of the questions' `changes`, whose samples' credits, in [0, 1], are `old` and `new`.

    d -+ t sqrt((sum_q (d_q - d)^2 + g^2) / (Q (Q - 1))), within [-1, 1].

    g^2 = mean of (1/k_before + 1/k_after) / 2, twice what two sets of samples of a question
    solved half the time differ by in the square; 1, a whole question, where none changed: even
    many samples tell nothing then of how much a question changes when it does.
    """
    d_Q = np.array([float(change) for change in changes])
    mean, count, n_samples = float(d_Q.mean()), len(d_Q), size(old) + size(new)
    if count == 1:
        return Estimate(mean, -1.0, 1.0, 1, n_samples, METHOD)
    chance = [(1 / len(a) + 1 / len(b)) / 2 for a, b in zip(old, new, strict=True)]
    unseen = float(np.mean(chance)) if d_Q.any() else 1.0
    squares = float(((d_Q - mean) ** 2).sum()) + unseen
    half = t95(count - 1) * math.sqrt(squares / (count * (count - 1)))
    return Estimate(mean, max(-1.0, mean - half), min(1.0, mean + half), count, n_samples, METHOD)


def _nothing_in_common(before: Result, after: Result) -> str:
    examples = [f"{next(iter(result))!r}" if result else "none" for result in (before, after)]
    return (
        f"the two results have no question in common (first questions: {examples[0]} and "
        f"{examples[1]}); compare results of the same benchmark"
    )
