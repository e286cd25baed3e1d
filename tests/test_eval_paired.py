"""Two results question by question: by hand, by all sign flips, and by simulation."""

import math
from fractions import Fraction
from itertools import product
from operator import mul

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grpo.errors import UserError
from grpo.eval.paired import Flip, compare
from grpo.eval.sign_flip import EXACT, sign_flip_p

BEFORE = {"q1": [True, False], "q2": [False, False], "q3": [True, True], "gone": [True]}
AFTER = {"new": [True], "q3": [True, True], "q2": [True, True], "q1": [False, False]}


def all_flips(differences: list[Fraction]) -> float:
    """The share of all 2^n sign patterns whose sum is as far from 0."""
    unit = math.lcm(*(d.denominator for d in differences))
    whole = [int(d * unit) for d in differences]
    sums = [sum(map(mul, signs, whole)) for signs in product((1, -1), repeat=len(whole))]
    return sum(abs(s) >= abs(sum(whole)) for s in sums) / len(sums)


def test_a_comparison_by_hand() -> None:
    found = compare(BEFORE, AFTER)
    # Changes -1/2, 1, 0: (0.5 + 0 + 1) / 3 before, (0 + 1 + 1) / 3 after.
    assert (found.before.value, found.after.value) == pytest.approx((0.5, 2 / 3))
    assert found.difference.value == pytest.approx(1 / 6)
    assert (found.difference.n_questions, found.difference.n_samples) == (3, 12)
    # Squares about 1/6: 4/9 + 25/36 + 1/36 = 7/6, and (1/2 + 1/2)/2 = 1/2 on top, over 3 x 2.
    half = 4.302653 * math.sqrt((7 / 6 + 1 / 2) / 6)
    assert half > 1
    assert (found.difference.low, found.difference.high) == (-1.0, 1.0)
    # Sums of +-1/2 +-1: all of size 1/2 or 3/2, all as large as 1/2.
    assert (found.p, found.p_method) == (1.0, EXACT)
    assert found.flips == (Flip("q2", 0.0, 1.0), Flip("q1", 0.5, 0.0))
    assert (found.improved, found.worsened) == (1, 1)
    assert (found.only_before, found.only_after) == (("gone",), ("new",))


def test_the_interval_by_hand() -> None:
    # 20 questions once each: 5 mended, 1 spoilt. Mean 0.2, squares 6 - 20 x 0.04 = 5.2, plus 1.
    before = {str(i): [i < 7] for i in range(20)}
    after = {str(i): [0 < i < 12] for i in range(20)}
    found = compare(before, after)
    half = 2.093024 * math.sqrt(6.2 / (20 * 19))
    assert found.difference.value == pytest.approx(0.2)
    assert (found.difference.low, found.difference.high) == pytest.approx((0.2 - half, 0.2 + half))
    # McNemar's exact test: 2 x (C(6,0) + C(6,1)) / 2^6.
    assert found.p == pytest.approx(2 * 7 / 64)


def test_where_nothing_changed_something_might() -> None:
    same = {str(i): [True, False, True, True] for i in range(30)}
    found = compare(same, same)
    assert (found.difference.value, found.p, found.flips) == (0.0, 1.0, ())
    # One question in 30: t of 29 degrees x sqrt(1 / (30 x 29)).
    assert found.difference.high == pytest.approx(2.045230 / math.sqrt(870))
    assert found.difference.low == -found.difference.high


def test_each_side_may_have_its_own_k() -> None:
    # 1/3 of three is 2/6 of six: not a flip, however floats round.
    before = {"a": [True, False, False], "b": [False] * 3}
    after = {"a": [True, True, False, False, False, False], "b": [True] * 6}
    found = compare(before, after)
    assert found.flips == (Flip("b", 0.0, 1.0),)
    assert found.difference.n_samples == 18


def test_one_question_bounds_nothing() -> None:
    found = compare({"a": [False]}, {"a": [True]})
    assert (found.difference.value, found.difference.low, found.difference.high) == (1, -1, 1)
    assert found.p == 1.0


def test_flips_come_most_changed_first_in_the_order_of_the_questions() -> None:
    before = {"a": [1, 0, 0, 0], "b": [0, 0, 0, 0], "c": [1, 1, 1, 1], "d": [1, 1, 0, 0]}
    after = {"a": [1, 1, 0, 0], "b": [1, 1, 1, 0], "c": [0, 0, 0, 0], "d": [1, 0, 0, 0]}
    assert [flip.question for flip in compare(before, after).flips] == ["c", "b", "a", "d"]


def test_nothing_in_common() -> None:
    with pytest.raises(UserError, match=r"no question in common \(first questions: 'q1' and 'x'\)"):
        compare(BEFORE, {"x": [True]})
    with pytest.raises(UserError, match="'q1' and none"):
        compare(BEFORE, {})


# --- the test of significance ---

fractions = st.fractions(-1, 1, max_denominator=8)


@given(st.lists(fractions, max_size=9))
def test_sign_flips_are_counted_exactly(differences: list[Fraction]) -> None:
    assert sign_flip_p(differences) == (pytest.approx(all_flips(differences)), EXACT)


def test_beyond_listing_the_count_is_still_exact() -> None:
    # 15 halves, 12 up: 2 P(X >= 12 of 15) = 2 (455 + 105 + 15 + 1) / 32768.
    halves = [Fraction(1, 2)] * 12 + [Fraction(-1, 2)] * 3
    assert sign_flip_p(halves) == (pytest.approx(2 * 576 / 32768, rel=1e-12), EXACT)
    mixed = [Fraction(n, 4) for n in (4, -1, 2, 3, 3, -2, 1, 1, 4, 2, -3, 1, 2, 2, -1, 3)]
    assert sign_flip_p(mixed) == (pytest.approx(all_flips(mixed), rel=1e-12), EXACT)
    # 400 questions all mended: 2 / 2^400, not 0.
    assert sign_flip_p([Fraction(1)] * 400)[0] == pytest.approx(2.0**-399)


def test_without_a_common_unit_signs_are_drawn_and_said_so() -> None:
    rng = np.random.default_rng(6)
    floats = [Fraction(float(x)) for x in rng.normal(0.25, 0.5, 16)]
    p, method = sign_flip_p(floats)
    assert method == "Monte Carlo sign flips, 20000 draws, seed 0"
    # Four standard errors of a share of 20,000, at most.
    assert p == pytest.approx(all_flips(floats), abs=4 * math.sqrt(0.25 / 20_000))
    few, method = sign_flip_p(floats[:10])
    assert (few, method) == (pytest.approx(all_flips(floats[:10])), EXACT)


def test_drawn_signs_never_make_p_nought() -> None:
    # Irrational steps, all up: 2 of 2^40 patterns, none of which will be drawn.
    steep = [Fraction(math.sqrt(n) / 7) for n in range(2, 42)]
    assert sign_flip_p(steep)[0] == pytest.approx(1 / 20_001)


# --- coverage and size, simulated ---

# Chances of a right sample before and after, by question; questions, samples before and after.
WORLDS = {
    "no change, one sample": ((0.3, 0.3), 1.0, 100, 1, 1),
    "no change, hard, few": ((0.3, 2.7), 1.0, 30, 4, 4),
    "better, few": ((0.5, 0.5), 0.7, 30, 16, 16),
    "better, many": ((0.5, 0.5), 0.7, 300, 4, 4),
    "better, own k": ((0.5, 0.5), 0.7, 100, 16, 4),
    "hard, better": ((0.1, 1.9), 0.5, 100, 8, 8),
}


def drawn(world: str, count: int) -> tuple[float, list[tuple[np.ndarray, np.ndarray]]]:
    """The true difference of a world and `count` pairs of results, as right samples a question."""
    (a, b), power, questions, k_before, k_after = WORLDS[world]
    rng = np.random.default_rng(9)
    population = rng.beta(a, b, 2_000_000)
    truth = float((population**power - population).mean())
    chances = rng.beta(a, b, (count, questions))
    before, after = rng.binomial(k_before, chances), rng.binomial(k_after, chances**power)
    return truth, list(zip(before, after, strict=True))


def result(right: np.ndarray, k: int) -> dict[str, list[bool]]:
    return {str(q): [True] * c + [False] * (k - c) for q, c in enumerate(right.tolist())}


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.slow
def test_95_percent_intervals_hold_the_difference_that_often(world: str) -> None:
    truth, pairs = drawn(world, 400)
    _, _, _, k_before, k_after = WORLDS[world]
    held = 0
    for before, after in pairs:
        found = compare(result(before, k_before), result(after, k_after)).difference
        held += found.low <= truth <= found.high
    assert 0.92 <= held / len(pairs) <= 0.98


@pytest.mark.slow
def test_without_a_difference_p_is_below_5_percent_that_seldom() -> None:
    _, pairs = drawn("no change, one sample", 400)
    found = [compare(result(b, 1), result(a, 1)).p for b, a in pairs]
    # An exact test of whole questions errs on the safe side.
    assert 0.005 < np.mean([p <= 0.05 for p in found]) < 0.06


def test_pairing_sees_what_two_intervals_do_not() -> None:
    # Hard and easy questions alike gain an eighth: each interval is wide, the difference is not.
    before = {str(i): [n < i % 8 for n in range(8)] for i in range(56)}
    after = {q: [True, *row[:-1]] for q, row in before.items()}
    found = compare(before, after)
    assert found.before.high > found.after.low
    assert found.difference.low > 0.1 and found.p < 1e-9
