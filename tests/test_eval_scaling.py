"""Curves over the number of samples, and the law they are fitted with."""

import math

import numpy as np
import pytest

from grpo.errors import UserError
from grpo.eval.best_of import best_of_k
from grpo.eval.consensus import cons_at_k, weighted_at_k
from grpo.eval.law import Law, fit_law
from grpo.eval.pass_at_k import pass_at_k
from grpo.eval.scaling import ladder, scaling

CORRECT = [[True, False, False, True], [False, False, True, False], [False] * 4]
ANSWERS = [["7", "8", "8", "7.0"], ["1", "2", "3", None], ["5", "6", "6", "6"]]
SCORES = [[0.9, 0.2, 0.8, 0.4], [0.1, 0.5, 0.4, 0.3], [0.6, 0.6, 0.1, 0.2]]


@pytest.mark.parametrize(
    ("n", "ks"),
    [(0, ()), (1, (1,)), (2, (1, 2)), (6, (1, 2, 4, 6)), (64, (1, 2, 4, 8, 16, 32, 64))],
)
def test_powers_of_two_and_the_whole(n: int, ks: tuple[int, ...]) -> None:
    assert ladder(n) == ks


def test_each_curve_is_its_estimator() -> None:
    found = scaling(CORRECT, ANSWERS, {"rm": SCORES}, key=float)
    assert {name: tuple(curve) for name, curve in found.curves.items()} == {
        name: (1, 2, 4)
        for name in ("coverage", "majority", "best-of-n by rm", "weighted majority by rm")
    }
    for k in (1, 2, 4):
        assert found.curves["coverage"][k] == pass_at_k(CORRECT, k)
        assert found.curves["majority"][k] == cons_at_k(ANSWERS, CORRECT, k, key=float)
        assert found.curves["best-of-n by rm"][k] == best_of_k(CORRECT, SCORES, k)
        assert found.curves["weighted majority by rm"][k] == weighted_at_k(
            ANSWERS, CORRECT, SCORES, k, key=float
        )
    # 7 and 7.0 are one answer, which ties with 8; apart, 8 wins.
    assert found.curves["majority"][4].value == pytest.approx((1 / 2 + 1 / 3) / 3)
    assert scaling(CORRECT, ANSWERS).curves["majority"][4].value == pytest.approx((1 / 3) / 3)


def test_only_what_the_samples_allow() -> None:
    found = scaling([*CORRECT, [True, True]])
    assert {name: tuple(curve) for name, curve in found.curves.items()} == {"coverage": (1, 2)}
    assert tuple(scaling(CORRECT, ks=[3]).curves["coverage"]) == (3,)
    with pytest.raises(UserError, match="pass@5 needs 5 samples"):
        scaling(CORRECT, ks=[1, 5])


def test_of_nothing_no_curve() -> None:
    found = scaling([])
    assert (found.curves, found.law) == ({"coverage": {}}, None)


def test_a_key_is_asked_once_an_answer() -> None:
    asked: list[str] = []

    def key(answer: str) -> str:
        asked.append(answer)
        return answer

    scaling(CORRECT, ANSWERS, {"rm": SCORES}, key=key)
    assert len(asked) == 11


# --- the law ---


def test_the_law_is_found_again() -> None:
    law = Law(-2.3, -0.41, 0.0, (), ())
    found = fit_law({k: law.at(k) for k in ladder(1024)})
    assert found is not None
    assert (found.a, found.b) == pytest.approx((-2.3, -0.41))
    assert found.residual == pytest.approx(0.0, abs=1e-12)
    assert found.at(4096) == pytest.approx(math.exp(-2.3 * 4096**-0.41))
    assert found.fitted == ladder(1024) and found.left_out == ()


def test_two_points_by_hand() -> None:
    # exp(-1) at 1, exp(-1/2) at 2: a = -1, b = -1.
    found = fit_law({1: math.exp(-1), 2: math.exp(-0.5)})
    assert found is not None and (found.a, found.b) == pytest.approx((-1.0, -1.0))


def test_none_and_all_are_left_out_but_missed() -> None:
    law = {k: math.exp(-2 * k**-0.5) for k in (2, 4, 8)}
    found = fit_law({1: 0.0, **law, 64: 1.0})
    assert found is not None
    assert (found.fitted, found.left_out) == ((2, 4, 8), (1, 64))
    assert (found.a, found.b) == pytest.approx((-2.0, -0.5))
    # It says exp(-2) at 1 and exp(-1/4) at 64.
    missed = math.exp(-2) ** 2 + (1 - math.exp(-0.25)) ** 2
    assert found.residual == pytest.approx(math.sqrt(missed / 5))


@pytest.mark.parametrize("coverage", [{}, {1: 0.4}, {1: 0.0, 2: 0.0, 4: 0.0}, {1: 0.3, 2: 1.0}])
def test_no_law_through_fewer_than_two_points(coverage: dict[int, float]) -> None:
    assert fit_law(coverage) is None


def test_a_flat_curve_has_no_slope() -> None:
    found = fit_law({1: 0.25, 2: 0.25, 8: 0.25})
    assert found is not None and found.b == pytest.approx(0.0, abs=1e-12)
    assert found.at(100) == pytest.approx(0.25)


def test_an_end_nearly_solved_does_not_drag_the_line() -> None:
    law = Law(-2.0, -0.6, 0.0, (), ())
    coverage = {k: law.at(k) for k in ladder(64)}
    # A last point of 0.9999 where the law says 0.85 is log(-log c) = -9.2 in place of -1.8.
    plain = np.polyfit(np.log([*coverage, 128]), np.log(-np.log([*coverage.values(), 0.9999])), 1)[
        0
    ]
    found = fit_law({**coverage, 128: 0.9999})
    assert found is not None
    assert abs(found.b + 0.6) < 0.05 < 0.5 < abs(plain + 0.6)


def test_the_law_of_simulated_samples() -> None:
    # Chances of 1/u^2 tails: coverage of questions from Beta(0.4, 4) follows the law closely.
    rng = np.random.default_rng(4)
    chances = rng.beta(0.4, 4.0, 400)
    table = [[bool(x) for x in rng.random(64) < p] for p in chances]
    found = scaling(table)
    assert found.law is not None and -1 < found.law.b < 0
    assert found.law.residual < 0.02
    for k in (1, 8, 64):
        low, high = found.curves["coverage"][k].low, found.curves["coverage"][k].high
        exact = 1 - math.prod((4.0 + i) / (4.4 + i) for i in range(k))
        assert low < exact < high
