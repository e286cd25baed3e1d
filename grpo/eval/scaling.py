"""Test-time scaling on samples already drawn: what more samples a question would have been worth.

Nothing is sampled here: each point is the expectation over subsets of the stored samples. The
intervals hold point by point, not for a whole curve at once, and neighbouring points share their
samples. Search guided by a process reward model draws anew, and is not here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grpo.eval.best_of import best_of_k
from grpo.eval.consensus import Answers, Correct, Key, Scores, cons_at_k, weighted_at_k
from grpo.eval.intervals import Estimate
from grpo.eval.law import Law, fit_law
from grpo.eval.pass_at_k import pass_at_k


@dataclass(frozen=True)
class Scaling:
    """Curves by name, each an estimate by number of samples, and the law of the coverage.

    "coverage" (pass@k), "majority" (cons@k), and for each score "best-of-n by NAME" and
    "weighted majority by NAME".

    >>> Scaling({"coverage": {1: Estimate(...), 2: Estimate(...)}, "majority": {...}}, Law(...))
    """

    curves: Mapping[str, Mapping[int, Estimate]]
    law: Law | None


def ladder(n: int) -> tuple[int, ...]:
    """1, 2, 4, ... and `n` itself: the k of a curve over `n` samples."""
    powers = [1 << step for step in range(n.bit_length())]
    return tuple(sorted({*powers, n})) if n else ()


def scaling(
    correct: Correct,
    answers: Answers | None = None,
    scores: Mapping[str, Scores] | None = None,
    ks: Sequence[int] | None = None,
    key: Key = str,
) -> Scaling:
    """Every curve that the samples allow (tables of questions by samples).

    Without `answers` there is no majority, without `scores` by name no best-of-n; `ks` are 1, 2,
    4, ... up to the fewest samples a question has. Raises what the estimators raise: UserError
    for a k beyond the samples or scores below 0, ValueError for tables that do not match.
    """
    steps = tuple(ks) if ks is not None else ladder(min(map(len, correct), default=0))
    curves = {"coverage": {k: pass_at_k(correct, k) for k in steps}}
    for name, table in (scores or {}).items():
        curves[f"best-of-n by {name}"] = {k: best_of_k(correct, table, k) for k in steps}
    if answers is not None:
        merged = _merged(answers, key)
        curves["majority"] = {k: cons_at_k(merged, correct, k) for k in steps}
        for name, table in (scores or {}).items():
            curves[f"weighted majority by {name}"] = {
                k: weighted_at_k(merged, correct, table, k) for k in steps
            }
    return Scaling(curves, fit_law({k: point.value for k, point in curves["coverage"].items()}))


def _merged(answers: Answers, key: Key) -> list[list[str | None]]:
    """Answers as the number of their first equal: a key may be dear, and each k would ask again."""
    table: list[list[str | None]] = []
    for row in answers:
        seen: dict[object, str] = {}
        table.append([None if a is None else seen.setdefault(key(a), str(len(seen))) for a in row])
    return table
