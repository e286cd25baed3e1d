"""Majority and weighted majority against every subset there is, ties and silence included."""

import math
from collections import defaultdict
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grpo.errors import UserError
from grpo.eval import consensus
from grpo.eval.consensus import cons_at_k, weighted_at_k
from grpo.eval.pass_at_k import avg_at_k, pass_at_k
from grpo.eval.votes import all_subsets, ballot, expected_majority, random_subsets

# Answer "a" is right; None could not be parsed.
answers_of = st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=1, max_size=8)


def judged(answers: list[str | None]) -> list[bool]:
    return [answer == "a" for answer in answers]


def every_majority(answers: list[str | None], weights: list[float], k: int) -> float:
    """The mean, over all subsets of `k`, of the share of "a" among the tied winners."""
    values = []
    for chosen in combinations(range(len(answers)), k):
        totals: dict[str, float] = defaultdict(float)
        for i in chosen:
            if (answer := answers[i]) is not None:
                totals[answer] += weights[i]
        tied = [a for a, total in totals.items() if total == max(totals.values())]
        values.append(("a" in tied) / len(tied) if tied else 0.0)
    return sum(values) / len(values)


def test_ties_by_hand() -> None:
    # a a b b: all four are a tie, a coin. Pairs: aa 1, bb 0, four of ab a coin: 3 of 6. Triples:
    # two of aab 1, two of abb 0.
    answers = ["a", "a", "b", "b"]
    for k in (1, 2, 3, 4):
        assert cons_at_k([answers], [judged(answers)], k).value == pytest.approx(0.5)
    # Three tied answers: a third.
    assert cons_at_k([["a", "b", "c"]], [[True, False, False]], 3).value == pytest.approx(1 / 3)


def test_what_cannot_be_parsed_does_not_vote() -> None:
    answers = ["a", None, None, None]
    values = [cons_at_k([answers], [judged(answers)], k).value for k in (1, 2, 3, 4)]
    # One vote decides wherever it is drawn: k/4; nobody voted: wrong.
    assert values == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert cons_at_k([[None, None]], [[False, False]], 2).value == 0.0


@given(answers_of, st.data())
def test_majority_is_the_mean_over_subsets(answers: list[str | None], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(answers)))
    expected = every_majority(answers, [1.0] * len(answers), k)
    assert cons_at_k([answers], [judged(answers)], k).value == pytest.approx(expected)


@given(answers_of, st.data())
def test_weighted_majority_is_the_mean_over_subsets(
    answers: list[str | None], data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, len(answers)))
    weights = data.draw(
        # Eighths, whose sums are exact: equal in any order.
        st.lists(st.integers(0, 3).map(lambda n: n / 8), min_size=len(answers))
    )[: len(answers)]
    expected = every_majority(answers, weights, k)
    found = weighted_at_k([answers], [judged(answers)], [weights], k)
    assert found.value == pytest.approx(expected)
    assert found.method.startswith("exact expectation over subsets")


@given(st.lists(answers_of, min_size=1, max_size=5))
def test_cons_at_1_is_the_average_and_never_beats_coverage(table: list[list[str | None]]) -> None:
    correct = [judged(row) for row in table]
    assert cons_at_k(table, correct, 1).value == pytest.approx(avg_at_k(correct).value)
    for k in range(1, min(map(len, table)) + 1):
        assert cons_at_k(table, correct, k).value <= pass_at_k(correct, k).value + 1e-12


def test_equal_answers_are_merged_by_the_key() -> None:
    answers, correct = [["0.50", "1/2", "7", "7"]], [[True, True, False, False]]
    halves = {"0.50": 0.5, "1/2": 0.5, "7": 7.0}
    # Apart: 7 wins; merged: a tie of two and two.
    assert cons_at_k(answers, correct, 4).value == 0.0
    assert cons_at_k(answers, correct, 4, key=halves.__getitem__).value == 0.5
    equal = [[1.0, 1.0, 1.0, 0.5]]
    assert weighted_at_k(answers, correct, equal, 4, key=halves.__getitem__).value == 1.0


def test_an_answer_judged_both_ways_is_worth_the_mean() -> None:
    assert cons_at_k([["a", "a", "a", "b"]], [[True, True, False, False]], 4).value == (
        pytest.approx(2 / 3)
    )


def test_majority_of_many_samples_against_draws() -> None:
    # 40 of 64 for the right one: far beyond enumeration, so against 40,000 drawn subsets.
    answers = ["a"] * 24 + ["b"] * 20 + ["c"] * 6 + [str(i) for i in range(4)] + [None] * 10
    votes = ballot(answers, [float(c) for c in judged(answers)], str)
    for k in (2, 9, 33):
        subsets = random_subsets(64, k, 40_000, np.random.default_rng(5))
        drawn = consensus.weighted_majority(votes, [1.0] * 64, subsets)
        # Four standard errors of a share of 40,000.
        assert expected_majority(votes)[k] == pytest.approx(drawn, abs=0.01)
    assert expected_majority(votes)[64] == 1.0


def test_the_closed_form_keeps_its_digits_at_its_limit() -> None:
    # Two answers of 64 votes each, odd k: by symmetry exactly a half, of 128 samples.
    answers = ["a"] * 64 + ["b"] * 64
    worth = expected_majority(ballot(answers, [float(c) for c in judged(answers)], str))
    assert worth[1:] == pytest.approx([0.5] * 128, rel=1e-12)


def test_beyond_the_closed_form_subsets_are_drawn_and_said_so() -> None:
    many = ["a"] * 90 + ["b"] * 60
    few = ["a", "b", "b"]
    table, correct = [many, few], [judged(many), judged(few)]
    drawn = cons_at_k([many], [judged(many)], 3, seed=7)
    assert drawn.method.startswith("Monte Carlo, 2000 subsets a question, seed 7; ")
    # Two or three of three from 90 of 150: (C(90,2) 60 + C(90,3)) / C(150,3).
    exact = (math.comb(90, 2) * 60 + math.comb(90, 3)) / math.comb(150, 3)
    assert drawn.value == pytest.approx(exact, abs=4 * math.sqrt(0.25 / 2000))
    assert drawn == cons_at_k([many], [judged(many)], 3, seed=7)
    assert drawn != cons_at_k([many], [judged(many)], 3, seed=8)
    both = cons_at_k(table, correct, 3)
    assert "seed 0 for 1 of 2 questions, others exact; " in both.method
    # All 150 at once are one subset, and one sample 150: listed, not drawn.
    assert cons_at_k([many], [judged(many)], 150).value == 1.0
    assert cons_at_k([many], [judged(many)], 1).value == pytest.approx(0.6)
    assert cons_at_k([many], [judged(many)], 1).method.startswith("exact")


def test_weighted_majority_beyond_listing_is_drawn() -> None:
    rng = np.random.default_rng(2)
    answers = [str(a) for a in rng.choice(["a", "b", "c"], 40)]
    once = weighted_at_k([answers], [judged(answers)], [[1.0] * 40], 20, seed=1)
    assert once.method.startswith("Monte Carlo, 2000 subsets a question, seed 1")
    # Equal weights are a plain majority, which has a closed form.
    plain = cons_at_k([answers], [judged(answers)], 20).value
    assert once.value == pytest.approx(plain, abs=4 * math.sqrt(0.25 / 2000))


def test_sums_of_weights_that_differ_in_the_last_digit_are_tied() -> None:
    # 0.1 + 0.2 is not 0.3 in floats.
    answers, correct = [["a", "a", "b"]], [[True, True, False]]
    assert weighted_at_k(answers, correct, [[0.1, 0.2, 0.3]], 3).value == 0.5
    assert weighted_at_k(answers, correct, [[0.1, 0.2, 0.3001]], 3).value == 0.0


def test_weights_of_nothing() -> None:
    answers, correct = [["a", "b", "b"]], [[True, False, False]]
    # No score, no vote; scores of 0 vote, and tie.
    assert weighted_at_k(answers, correct, [[0.2, None, math.nan]], 3).value == 1.0
    assert weighted_at_k(answers, correct, [[None, None, None]], 3).value == 0.0
    assert weighted_at_k(answers, correct, [[0.0, 0.0, 0.0]], 3).value == 0.5


@pytest.mark.parametrize("score", [-0.5, math.inf])
def test_scores_that_cannot_be_added_up(score: float) -> None:
    with pytest.raises(UserError, match=rf"cannot use one of {score:g}; pass them through a sig"):
        weighted_at_k([["a", "b"]], [[True, False]], [[0.5, score]], 1)


def test_tables_that_do_not_match() -> None:
    with pytest.raises(ValueError, match="answers must have an entry for every sample"):
        cons_at_k([["a"]], [[True, False]], 1)
    with pytest.raises(UserError, match="cons@3 needs 3 samples of every question"):
        cons_at_k([["a", "b"]], [[True, False]], 3)
    with pytest.raises(ValueError, match="scores must have an entry for every sample"):
        weighted_at_k([["a", "b"]], [[True, False]], [[1.0]], 1)


def test_subsets_are_all_there_once() -> None:
    subsets = all_subsets(6, 3)
    assert subsets.shape == (20, 6) and (subsets.sum(1) == 3).all()
    assert len({tuple(row) for row in subsets}) == 20
    drawn = random_subsets(6, 3, 4_000, np.random.default_rng(0))
    assert (drawn.sum(1) == 3).all()
    # Each of 20 is drawn 200 times, give or take five standard deviations of 13.8.
    counts = np.unique(drawn, axis=0, return_counts=True)[1]
    assert len(counts) == 20 and abs(counts - 200).max() < 69
