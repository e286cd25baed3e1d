"""Intervals over questions: by hand at the edges, and how often they hold the truth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grpo.eval.intervals import WILSON, clustered, t95, wilson_limits
from grpo.eval.pass_at_k import avg_at_k, pass_at_k

DRAWS = 1500


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    # Student's t, from printed tables.
    [(1, 12.7062), (2, 4.3027), (5, 2.5706), (29, 2.0452), (99, 1.9842), (499, 1.9647)],
)
def test_student_s_quantile(freedom: int, quantile: float) -> None:
    assert t95(freedom) == pytest.approx(quantile, abs=5e-5)


def test_one_sample_a_question_by_hand() -> None:
    # 4 of 16 questions. A value is all or nothing, so the design effect is 1: Wilson's interval
    # with t of 15 degrees, 2.13145, q^2 = 4.54307: centre (0.25 + 0.141971) / 1.283942 = 0.305287,
    # half 2.13145 / 1.283942 x sqrt(0.01171875 + 0.00443659) = 0.211002.
    estimate = clustered([1.0] * 4 + [0.0] * 12, 16)
    assert (estimate.value, estimate.n_questions, estimate.n_samples) == (0.25, 16, 16)
    assert (estimate.low, estimate.high) == pytest.approx((0.094285, 0.516289), abs=2e-6)
    assert estimate.method == WILSON


def test_several_samples_a_question_by_hand() -> None:
    # Values 1/4 and 3/4, eight each: p = 1/2, s^2 = 1/16, observed effect 1/4; the rarer outcome
    # is expected 8 times, so D = (8/4 + 1/4) / (8 + 1/4) = 3/11 and n = 16 x 11/3 = 58.6667.
    # q^2 = 4.54307: half 2.13145 / 1.077439 x sqrt(0.25/58.6667 + 4.54307/(4 x 58.6667^2)).
    estimate = clustered([0.25, 0.75] * 8, 64, "how")
    half = 2.131450 / 1.077439 * math.sqrt(0.00426136 + 0.00032999)
    assert (estimate.low, estimate.high) == pytest.approx((0.5 - half, 0.5 + half), abs=2e-5)
    assert estimate.method == f"how; {WILSON}"


def test_all_and_none_bound_by_questions_however_many_samples() -> None:
    # q^2 / (30 + q^2) with q = 2.04523: 4.182964 / 34.182964.
    for k in (1, 4, 64):
        none, every = avg_at_k([[False] * k] * 30), avg_at_k([[True] * k] * 30)
        assert (none.value, none.low) == (0.0, 0.0)
        assert none.high == pytest.approx(0.122370, abs=1e-5)
        assert (every.low, every.high) == pytest.approx((1 - none.high, 1.0))


def test_of_one_question_or_none_nothing_is_known() -> None:
    empty, alone = clustered([], 0), clustered([0.5], 8)
    assert math.isnan(empty.value) and (empty.low, empty.high, empty.n_questions) == (0.0, 1.0, 0)
    assert (alone.value, alone.low, alone.high) == (0.5, 0.0, 1.0)


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_values_beyond_all_or_nothing_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"values must be in \[0, 1\]"):
        clustered([0.5, value], 2)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=60))
def test_an_interval_holds_its_value_and_is_never_a_point(values: list[float]) -> None:
    estimate = clustered(values, len(values))
    assert 0.0 <= estimate.low <= estimate.value <= estimate.high <= 1.0
    assert estimate.high - estimate.low > 1e-3
    # Never wider than were the questions all or nothing.
    worst = wilson_limits(estimate.value, len(values), t95(len(values) - 1))
    assert estimate.high - estimate.low <= worst[1] - worst[0] + 1e-9


def test_samples_that_agree_are_one_observation() -> None:
    answers = np.random.default_rng(3).random(200) < 0.4
    once = avg_at_k([[bool(a)] for a in answers])
    same = avg_at_k([[bool(a)] * 16 for a in answers])
    assert (same.low, same.high) == pytest.approx((once.low, once.high))


def test_wilson_s_limits_at_the_normal_quantile() -> None:
    # By hand for 8 of 10, with z^2 = 3.84146: the centre is (0.8 + 0.192073) / 1.384146 =
    # 0.716740 and half the width 1.959964 / 1.384146 x sqrt(0.016 + 0.0096036) = 0.226577.
    assert wilson_limits(0.8, 10) == pytest.approx((0.490163, 0.943317), abs=2e-6)


# --- coverage: how often the interval of a simulated benchmark holds the truth ---

# A benchmark's questions: chances of a right sample drawn from Beta(a, b). Small a and b: some
# questions are always solved and most never. (1, 19): all are about equally hard.
SETTINGS = [
    # a, b, questions, samples, k
    (0.1, 1.9, 30, 1, 1),
    (0.1, 1.9, 30, 4, 1),
    (0.1, 1.9, 30, 16, 1),
    (0.1, 1.9, 100, 4, 1),
    (0.1, 1.9, 500, 1, 1),
    (0.1, 1.9, 500, 16, 1),
    (1.0, 19.0, 100, 4, 1),
    (0.3, 0.3, 30, 64, 1),
    (0.3, 0.3, 30, 16, 4),
    (0.3, 0.3, 200, 4, 1),
    (2.0, 0.06, 100, 4, 1),
    (0.1, 1.9, 60, 16, 4),
    (0.1, 1.9, 200, 16, 8),
]


def truth(a: float, b: float, k: int) -> float:
    """E[1 - (1 - p)^k] for p of Beta(a, b): 1 - prod_{i<k} (b + i) / (a + b + i)."""
    return 1 - math.prod((b + i) / (a + b + i) for i in range(k))


@pytest.mark.parametrize(("a", "b", "questions", "samples", "k"), SETTINGS)
def test_95_percent_intervals_hold_the_truth_that_often(
    a: float, b: float, questions: int, samples: int, k: int
) -> None:
    rng = np.random.default_rng(12)
    chances = rng.beta(a, b, (DRAWS, questions))
    right = rng.binomial(samples, chances)
    value = np.array(
        [pass_at_k([[1.0] * c + [0.0] * (samples - c)], k).value for c in range(samples + 1)]
    )
    held = 0
    for row in value[right]:
        estimate = clustered(row, questions * samples)
        held += estimate.low <= truth(a, b, k) <= estimate.high
    assert 0.92 <= held / DRAWS <= 0.98
