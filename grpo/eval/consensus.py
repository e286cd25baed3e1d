"""cons@k and weighted majority: the answer most samples give, or most weight, among k of them.

What counts as the same answer is the caller's `key`. Ties share: the value is the expected credit
under a uniform choice among the tied answers. What could not be parsed (None) does not vote, and
k samples without a vote are wrong.
"""

import math
from collections.abc import Callable, Hashable, Sequence

import numpy as np

from grpo.errors import UserError
from grpo.eval.best_of import EXACT
from grpo.eval.intervals import Estimate, clustered
from grpo.eval.samples import alike, credits_of, demand, known, size
from grpo.eval.votes import (
    Ballot,
    all_subsets,
    ballot,
    expected_majority,
    random_subsets,
    weighted_majority,
)

# Up to here the closed form is a matter of milliseconds a question, far from overflow.
CLOSED_FORM_SAMPLES = 128
ENUMERATED = 5_000
DRAWN = 2_000

Answers = Sequence[Sequence[str | None]]
Correct = Sequence[Sequence[bool | float]]
Scores = Sequence[Sequence[float | None]]
Key = Callable[[str], Hashable]


def cons_at_k(
    answers: Answers, correct: Correct, k: int, key: Key = str, seed: int = 0
) -> Estimate:
    """The mean credit of the majority answer of `k` of a question's samples.

    Exact, by a closed form up to 128 samples a question and by listing up to 5,000 subsets beyond;
    else the mean over 2,000 subsets of each such question, drawn by `seed`, and `method` says so.
    An answer whose samples were judged differently is worth their mean. Raises UserError where a
    question has fewer than `k` samples, ValueError where the tables do not match.
    """
    ballots = _ballots(answers, correct, k, key, "cons")
    rng = np.random.default_rng(seed)
    sampled = [
        len(votes.choices) > CLOSED_FORM_SAMPLES and not _listable(votes, k) for votes in ballots
    ]
    values = [
        float(expected_majority(votes)[k])
        if len(votes.choices) <= CLOSED_FORM_SAMPLES
        else weighted_majority(votes, [1.0] * len(votes.choices), _subsets(votes, k, rng))
        for votes in ballots
    ]
    return clustered(values, size(correct), _how(sampled, seed))


def weighted_at_k(
    answers: Answers, correct: Correct, scores: Scores, k: int, key: Key = str, seed: int = 0
) -> Estimate:
    """The mean credit of the answer with the largest sum of scores among `k` samples of a question.

    Exact where a question has at most 5,000 subsets of k, else over 2,000 drawn by `seed`. A
    sample without a score (None, NaN) does not vote. Raises UserError for scores below 0, whose
    sum would punish an answer for being found often, and as `cons_at_k` does.
    """
    ballots = _ballots(answers, correct, k, key, "weighted majority")
    alike(correct, scores, "scores")
    weights = [[s if s is not None and known(s) else None for s in row] for row in scores]
    _summable(weights)
    rng = np.random.default_rng(seed)
    values = [
        weighted_majority(votes, row, _subsets(votes, k, rng))
        for votes, row in zip(ballots, weights, strict=True)
    ]
    return clustered(values, size(correct), _how([not _listable(v, k) for v in ballots], seed))


def _ballots(answers: Answers, correct: Correct, k: int, key: Key, name: str) -> list[Ballot]:
    credits = credits_of(correct)
    alike(correct, answers, "answers")
    demand(k, credits, name)
    return [ballot(row, earned, key) for row, earned in zip(answers, credits, strict=True)]


def _summable(weights: Scores) -> None:
    for weight in (w for row in weights for w in row if w is not None):
        if not 0 <= weight < math.inf:
            raise UserError(
                f"weighted majority adds scores up and cannot use one of {weight:g}; pass them "
                "through a sigmoid first, which leaves best-of-n as it is"
            )


def _listable(votes: Ballot, k: int) -> bool:
    return math.comb(len(votes.choices), k) <= ENUMERATED


def _subsets(votes: Ballot, k: int, rng: np.random.Generator) -> np.ndarray:
    n = len(votes.choices)
    return all_subsets(n, k) if _listable(votes, k) else random_subsets(n, k, DRAWN, rng)


def _how(sampled: Sequence[bool], seed: int) -> str:
    if not any(sampled):
        return EXACT
    few = "" if all(sampled) else f" for {sum(sampled)} of {len(sampled)} questions, others exact"
    return f"Monte Carlo, {DRAWN} subsets a question, seed {seed}{few}"
