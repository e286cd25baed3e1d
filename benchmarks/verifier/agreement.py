"""How far a step scorer agrees with the exact checker, step by step, on thoughts neither made."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grpo.eval.intervals import Estimate, clustered
from grpo.eval.steps.scorer import StepScorer, Thought

RESAMPLES = 500
Steps = Sequence[tuple[float, ...]]
"""Scores of each thought's steps."""


@dataclass(frozen=True)
class Agreement:
    """Steps judged by a threshold of one half, and by their order.

    `auc` is the chance that a right step scores above a wrong one, with a 95% interval by
    resampling questions; `accuracy` counts each question with steps once; `found` is the share of
    wrong steps that score below one half, `passed` that of right steps that do not; `first` the
    share of thoughts with a mistake in which the first one is the first below one half.

    >>> Agreement(steps=3012, wrong=0.086, auc=0.633, auc_low=0.605, auc_high=0.662,
    ...           accuracy=Estimate(...), found=0.35, passed=0.81, first=0.20)
    """

    steps: int
    wrong: float
    auc: float
    auc_low: float
    auc_high: float
    accuracy: Estimate
    found: float
    passed: float
    first: float


def agreement(
    questions: Sequence[Sequence[Thought]], scorer: StepScorer, exact: StepScorer, seed: int = 0
) -> Agreement:
    """`scorer` against `exact` on thoughts by question; those without steps say nothing."""
    pairs = [
        [
            (given, true)
            for given, true in zip(scorer.score(group), exact.score(group), strict=True)
            if true
        ]
        for group in questions
    ]
    pairs = [group for group in pairs if group]
    flat = [_flat(group) for group in pairs]
    scores, labels = (np.concatenate(part) for part in zip(*flat, strict=True))
    low, high = _auc_interval(flat, seed)
    judged = scores >= 0.5
    return Agreement(
        len(labels),
        float(1 - labels.mean()),
        auc(scores, labels),
        low,
        high,
        clustered([float(((s >= 0.5) == right).mean()) for s, right in flat], len(labels)),
        float((~judged[~labels]).mean()),
        float(judged[labels].mean()),
        _first_found([pair for group in pairs for pair in group]),
    )


def auc(scores: np.ndarray, labels: np.ndarray) -> float:
    """P(score of a right > score of a wrong) + P(equal) / 2, by ranks (Mann and Whitney)."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    rights, wrongs = int(labels.sum()), int((~labels).sum())
    return float((ranks[labels].sum() - rights * (rights + 1) / 2) / (rights * wrongs))


def _auc_interval(flat: Sequence[tuple[np.ndarray, np.ndarray]], seed: int) -> tuple[float, float]:
    rng, found = np.random.default_rng(seed), []
    for _ in range(RESAMPLES):
        drawn = [flat[place] for place in rng.integers(len(flat), size=len(flat))]
        scores, labels = (np.concatenate(part) for part in zip(*drawn, strict=True))
        if 0 < labels.sum() < len(labels):
            found.append(auc(scores, labels))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def _flat(group: Sequence[tuple[tuple[float, ...], tuple[float, ...]]]) -> tuple[np.ndarray, ...]:
    scores = np.array([score for given, _ in group for score in given])
    return scores, np.array([bool(right) for _, true in group for right in true])


def _first_found(pairs: Sequence[tuple[tuple[float, ...], tuple[float, ...]]]) -> float:
    hits = [
        all(score >= 0.5 for score in given[: true.index(0.0)]) and given[true.index(0.0)] < 0.5
        for given, true in pairs
        if 0.0 in true
    ]
    return sum(hits) / len(hits)
