"""A question's answers as a ballot, and what the majority of k of them is worth on average."""

# S = votes drawn (0..n), A = answers that differ, R = subsets, N = samples

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np

# Weights are sums of floats: totals closer than this share of the larger are tied.
TIED = 1e-9


@dataclass(frozen=True)
class Ballot:
    """Which answer each sample votes for (None: none), and the credit of each answer.

    >>> Ballot(choices=(0, 0, 1, None), credits=(1.0, 0.0))
    """

    choices: tuple[int | None, ...]
    credits: tuple[float, ...]


def ballot(
    answers: Sequence[str | None],
    correct: Sequence[float],
    key: Callable[[str], Hashable],
) -> Ballot:
    """Merge answers of equal `key`; an answer is worth the mean credit of its samples."""
    keys = [None if answer is None else (key(answer),) for answer in answers]
    numbers: dict[Hashable, int] = {}
    earned: list[list[float]] = []
    for name, credit in zip(keys, correct, strict=True):
        if name is None:
            continue
        if numbers.setdefault(name, len(earned)) == len(earned):
            earned.append([])
        earned[numbers[name]].append(credit)
    choices = tuple(None if name is None else numbers[name] for name in keys)
    return Ballot(choices, tuple(math.fsum(row) / len(row) for row in earned))


def expected_majority(votes: Ballot) -> np.ndarray:
    """The expected credit of the majority of k samples drawn without replacement, k = 0..n: [n+1].

    For each count w that may win, a generating function in x (samples drawn) and y (answers with
    exactly w votes) is multiplied up over the answers a of m_a samples,

        prod_a (sum_{j<w} C(m_a, j) x^j + y C(m_a, w) x^w) x (1 + x)^silent,

    once plain and once weighted by the winners' credit; the term in x^k y^t, over t and C(n, k),
    is what w adds. All terms are positive. No vote at all is worth 0.
    """
    counts = tuple(votes.choices.count(answer) for answer in range(len(votes.credits)))
    # The sum hangs on the counts alone, and benchmarks are full of unanimous questions.
    return _majority(tuple(sorted(zip(counts, votes.credits, strict=True))), len(votes.choices))


@lru_cache(maxsize=16384)
def _majority(answers: tuple[tuple[int, float], ...], n: int) -> np.ndarray:
    worth_S = np.zeros(n + 1)
    for level in range(1, max((count for count, _ in answers), default=0) + 1):
        worth_S += _worth(answers, n, level)
    return worth_S / _binomials(n)


def _worth(answers: tuple[tuple[int, float], ...], n: int, level: int) -> np.ndarray:
    """Summed credit of the winners over all subsets whose winning count is `level`: [n+1]."""
    able = [(count, credit) for count, credit in answers if count >= level]
    others = _binomials(n - sum(count for count, _ in able))
    ways_TS, earned_TS = np.zeros((2, len(able) + 1, n + 1))
    ways_TS[0, : len(others)] = others
    for count, credit in able:
        full = _binomials(count)[: level + 1]
        below, at = _times(full[:level], n), _times(full * (np.arange(level + 1) == level), n)
        reached = ways_TS @ at
        earned_TS, ways_TS = (
            earned_TS @ below + _raised(earned_TS @ at + credit * reached),
            ways_TS @ below + _raised(reached),
        )
    return (earned_TS[1:] / np.arange(1, len(able) + 1)[:, None]).sum(0)


def _raised(table_TS: np.ndarray) -> np.ndarray:
    """The table times y: one answer more that has the winning count."""
    return np.vstack([np.zeros_like(table_TS[:1]), table_TS[:-1]])


def _times(polynomial: np.ndarray, degree: int) -> np.ndarray:
    """The matrix that multiplies polynomials up to `degree`, as rows, by `polynomial`."""
    padded = np.zeros(2 * degree + 1)
    padded[degree : degree + len(polynomial)] = polynomial[: degree + 1]
    return padded[degree + np.arange(degree + 1)[None] - np.arange(degree + 1)[:, None]]


@lru_cache(maxsize=1024)
def _binomials(n: int) -> np.ndarray:
    return np.array([float(math.comb(n, k)) for k in range(n + 1)])


def weighted_majority(
    votes: Ballot, weights: Sequence[float | None], subsets_RN: np.ndarray
) -> float:
    """The mean credit, over the subsets (rows of bools), of the answer of the largest weight.

    Tied answers share; a sample without a weight does not vote; no vote is worth 0.
    """
    heard = [
        (sample, answer, weight)
        for sample, (answer, weight) in enumerate(zip(votes.choices, weights, strict=True))
        if answer is not None and weight is not None
    ]
    if not heard:
        return 0.0
    samples, answers, weighing = zip(*heard, strict=True)
    belongs_NA = np.zeros((len(heard), len(votes.credits)))
    belongs_NA[np.arange(len(heard)), answers] = 1.0
    drawn_RN = subsets_RN[:, samples].astype(float)
    total_RA = drawn_RN @ (belongs_NA * np.array(weighing)[:, None])
    total_RA[drawn_RN @ belongs_NA == 0] = -np.inf  # an answer that is not there
    best_R = total_RA.max(1, keepdims=True)
    wins_RA = (total_RA >= best_R * (1 - TIED)) & (best_R >= 0.0)
    return float((wins_RA @ np.array(votes.credits) / np.maximum(wins_RA.sum(1), 1)).mean())


def all_subsets(n: int, k: int) -> np.ndarray:
    """Every subset of `k` of `n` as a row of bools: [C(n, k), n]."""
    return _rows(combinations(range(n), k), n)


def random_subsets(n: int, k: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` subsets of `k` of `n`, each equally likely, as rows of bools: [count, n]."""
    return _rows(np.argsort(rng.random((count, n)), axis=1)[:, :k], n)


def _rows(chosen: Iterable[Sequence[int]] | np.ndarray, n: int) -> np.ndarray:
    chosen_RK = np.array(list(chosen))
    subsets_RN = np.zeros((len(chosen_RK), n), dtype=bool)
    np.put_along_axis(subsets_RN, chosen_RK, True, axis=1)
    return subsets_RN
