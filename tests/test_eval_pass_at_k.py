"""avg@k, pass@k and best-of-n against every subset there is."""

import math
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grpo.errors import UserError
from grpo.eval.best_of import best_of_k, expected_best
from grpo.eval.pass_at_k import avg_at_k, pass_at_k

rows = st.lists(st.booleans(), min_size=1, max_size=8)


def chen(n: int, c: int, k: int) -> float:
    """1 - C(n - c, k) / C(n, k), as printed."""
    return 1 - math.comb(n - c, k) / math.comb(n, k)


def every_best(credits: list[float], scores: list[float], k: int) -> float:
    """The mean, over all subsets of `k`, of the mean credit of those that score highest."""
    values = []
    for chosen in combinations(range(len(credits)), k):
        top = max(scores[i] for i in chosen)
        tied = [credits[i] for i in chosen if scores[i] == top]
        values.append(sum(tied) / len(tied))
    return sum(values) / len(values)


def test_pass_at_k_by_hand() -> None:
    # 3 of 10 right: 1 - C(7,2)/C(10,2) = 1 - 21/45; none right: 0; the mean of both.
    three, none = [True] * 3 + [False] * 7, [False] * 10
    estimate = pass_at_k([three, none], 2)
    assert estimate.value == pytest.approx((24 / 45) / 2)
    assert (estimate.n_questions, estimate.n_samples) == (2, 20)
    assert estimate.method.startswith("exact expectation over subsets; ")


@given(rows, st.data())
def test_pass_at_k_is_the_share_of_subsets_with_a_right_one(
    row: list[bool], data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, len(row)))
    subsets = list(combinations(row, k))
    expected = sum(any(subset) for subset in subsets) / len(subsets)
    assert pass_at_k([row], k).value == pytest.approx(expected)
    assert pass_at_k([row], k).value == pytest.approx(chen(len(row), sum(row), k))


@given(st.lists(rows, min_size=1, max_size=6))
def test_pass_at_1_is_the_average_and_more_tries_never_hurt(table: list[list[bool]]) -> None:
    values = [pass_at_k(table, k).value for k in range(1, min(map(len, table)) + 1)]
    assert values[0] == pytest.approx(avg_at_k(table).value)
    assert all(before <= after + 1e-12 for before, after in pairwise(values))


def test_pass_at_all_samples_asks_for_one() -> None:
    assert pass_at_k([[False, False, True], [False] * 3], 3).value == 0.5


def test_many_samples_neither_overflow_nor_cancel() -> None:
    # One right of 10,000: the chance to be among k is k / 10,000, here to the last digit.
    row = [True] + [False] * 9_999
    assert pass_at_k([row], 1).value == 1e-4
    assert pass_at_k([row], 5_000).value == 0.5
    # 2 of 10,000, both missed by half: 5,000/10,000 x 4,999/9,999.
    two = pass_at_k([[True, *row[:-1]]], 5_000).value
    assert two == pytest.approx(1 - 0.5 * 4_999 / 9_999, rel=1e-15)


def test_questions_weigh_the_same_however_many_samples() -> None:
    # 1/1 and 1/4: not 2/5.
    estimate = avg_at_k([[True], [True, False, False, False]])
    assert (estimate.value, estimate.n_samples) == (0.625, 5)


def test_partial_credit_is_the_expected_best() -> None:
    # Pairs of (0, 0.5, 1): bests 0.5, 1, 1.
    assert pass_at_k([[0.0, 0.5, 1.0]], 2).value == pytest.approx(2.5 / 3)
    assert avg_at_k([[0.0, 0.5, 1.0]]).value == 0.5


@pytest.mark.parametrize(
    ("k", "sentence"),
    [
        (
            3,
            r"pass@3 needs 3 samples of every question, but 2 of 3 have fewer \(question 2 has 2\)",
        ),
        (3, "ask for k up to 1, or draw more samples"),
        (0, "pass@0 means nothing; k counts samples, give 1 or more"),
    ],
)
def test_k_beyond_the_samples(k: int, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        pass_at_k([[True] * 3, [True] * 2, [False]], k)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ([[True], []], "question 2 of 2 has no samples; leave it out"),
        ([[1.5]], "question 1 of 1 has a credit of 1.5; a sample's credit is between 0"),
        ([[math.nan]], "credit of nan"),
    ],
)
def test_tables_that_make_no_sense(table: list[list[float]], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        avg_at_k(table)


# --- best of n ---


def test_best_of_k_by_hand() -> None:
    # Scores 1 < 2 = 2 < 3 with credits 1, 0, 1, 0. Pairs: {1,2a} 0, {1,2b} 1, {1,3} 0, {2a,2b}
    # a coin, 1/2, {2a,3} 0, {2b,3} 0: 1.5 of 6.
    credits, scores = [True, False, True, False], [1.0, 2.0, 2.0, 3.0]
    assert best_of_k([credits], [scores], 2).value == pytest.approx(0.25)
    assert best_of_k([credits], [scores], 4).value == 0.0


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([-1.0, 0.0, 2.5])),
        min_size=1,
        max_size=7,
    ),
    st.data(),
)
def test_best_of_k_is_the_mean_over_subsets(
    samples: list[tuple[float, float]], data: st.DataObject
) -> None:
    credits, scores = [c for c, _ in samples], [s for _, s in samples]
    k = data.draw(st.integers(1, len(samples)))
    assert expected_best(credits, scores, k) == pytest.approx(every_best(credits, scores, k))


@given(rows, st.data())
def test_best_of_k_between_average_and_coverage(row: list[bool], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(row)))
    average, coverage = avg_at_k([row]).value, pass_at_k([row], k).value
    # A score that says nothing is worth the average, one that knows is worth the coverage.
    assert best_of_k([row], [[0.0] * len(row)], k).value == pytest.approx(average)
    assert best_of_k([row], [[float(c) for c in row]], k).value == pytest.approx(coverage)
    scores = data.draw(st.lists(st.floats(-5, 5), min_size=len(row), max_size=len(row)))
    assert best_of_k([row], [scores], 1).value == pytest.approx(average)
    assert best_of_k([row], [scores], k).value <= coverage + 1e-12


def test_what_has_no_score_ranks_last() -> None:
    credits = [True, False, True]
    for missing in (None, math.nan):
        assert best_of_k([credits], [[missing, -7.0, missing]], 3).value == 0.0
        # {a,b} b, {a,c} both unscored and right, {b,c} b.
        assert best_of_k([credits], [[missing, -7.0, missing]], 2).value == pytest.approx(1 / 3)


def test_scores_for_every_sample() -> None:
    with pytest.raises(ValueError, match="1 questions with 2 samples were given with 1 questions"):
        best_of_k([[True, False]], [[1.0]], 1)
    with pytest.raises(UserError, match="best-of-n@3 needs 3 samples"):
        best_of_k([[True, False]], [[1.0, 2.0]], 3)
