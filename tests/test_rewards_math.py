"""MATH, judged: its own solutions are right, other problems' answers wrong, both paths agree."""

import pytest
from answer_data import Pair, gsm8k_pairs, math_solutions, math_strangers

from grpo_rewards.accuracy import accuracy
from grpo_rewards.equal import Comparison, compare, compare_quickly, compare_symbolically
from grpo_rewards.verdict import Sample

SAMPLE = 300
MOST_WRONGED, MOST_FALSELY_PAID = 0.005, 0.001

# What is paid among the strangers, read one by one: these answers are the same, spelt otherwise.
THE_SAME = [("A", "\\text{(A)}"), ("\\frac{1}{2}", "50\\%")]


def paid(pairs: list[Pair]) -> list[Pair]:
    return [pair for pair in pairs if compare(*pair) is Comparison.EQUAL]


def settled_otherwise(pairs: list[Pair]) -> list[Pair]:
    """The pairs the quick path has a verdict on that is not the full path's."""
    settled = [(pair, found) for pair in pairs if (found := compare_quickly(*pair)) is not None]
    assert len(settled) > 0.95 * len(pairs)
    return [pair for pair, found in settled if compare_symbolically(*pair) is not found]


def test_a_solution_has_the_answer_of_its_problem() -> None:
    pairs = math_solutions(SAMPLE)
    assert len(paid(pairs)) >= SAMPLE - 1


def test_another_problems_answer_is_wrong() -> None:
    pairs = math_strangers(SAMPLE)
    assert len(pairs) > 0.9 * SAMPLE
    assert paid(pairs) == []


@pytest.mark.slow
def test_both_paths_give_the_same_verdict() -> None:
    assert settled_otherwise(math_solutions(SAMPLE) + math_strangers(SAMPLE)) == []


def test_both_paths_give_the_same_verdict_on_gsm8k() -> None:
    pairs = gsm8k_pairs(SAMPLE)
    assert settled_otherwise(pairs) == []
    assert all(compare_quickly(*pair) is not None for pair in pairs)


@pytest.mark.full
def test_every_solution_of_math_has_the_answer_of_its_problem() -> None:
    pairs = math_solutions()
    assert len(pairs) == 12_500
    assert len(paid(pairs)) >= (1 - MOST_WRONGED) * len(pairs)


@pytest.mark.full
def test_every_strangers_answer_in_math_is_wrong() -> None:
    pairs = math_strangers()
    found = paid(pairs)
    assert len(pairs) > 12_000
    assert found == THE_SAME
    assert len(found) <= MOST_FALSELY_PAID * len(pairs)


@pytest.mark.full
def test_both_paths_give_the_same_verdict_on_all_of_math_and_gsm8k() -> None:
    assert settled_otherwise(math_solutions() + math_strangers() + gsm8k_pairs()) == []


def test_a_whole_solution_is_scored_as_a_completion() -> None:
    rule = accuracy()
    text = "We add: $3 + 4 = 7$.\n\nTherefore $x = \\boxed{\\dfrac{7}{2}}$."
    found = rule.quick(Sample("", text, {"answer": "\\frac72"}))
    assert found is not None and found.outcome == "correct"
