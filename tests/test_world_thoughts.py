"""Thoughts in the tiny world: slips are wrong, corrections right, and the checker sees which."""

import re
from random import Random

import pytest

from grpo_data.world.case import LANGUAGES, Case
from grpo_data.world.checker import EQUATION, CheckedStep, check_steps, thinks_in_full
from grpo_data.world.kinds import KINDS
from grpo_data.world.steps import Equation, Ref, Step, solve
from grpo_data.world.thoughts import Habits, Thought, guess, joined, slip, think

PERFECT = Habits(slip=0, correct=0, check=0, switch=0)
CASES = [KINDS[kind](Random(f"{kind}:{seed}")) for kind in KINDS for seed in range(60)]
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def thoughts(habits: Habits, steps: int | None = None) -> list[tuple[Case, Thought]]:
    """A thought on every case in both languages."""
    return [
        (case, think(Random(f"{n}:{language}"), case, language, habits, steps))
        for n, case in enumerate(CASES)
        for language in LANGUAGES
    ]


def right_steps(case: Case) -> list[str]:
    return [str(equation) for equation in solve(case.steps)]


def test_a_perfect_thought_makes_every_step_in_order() -> None:
    for case, thought in thoughts(PERFECT):
        checked = check_steps(thought.text, right_steps(case))
        assert [step.text for step in checked] == right_steps(case)
        assert all(step.true and step.expected for step in checked)
        assert thought.answer == case.answer
        assert re.findall(r"\d+", thought.text)[-1] == str(case.answer)
        assert thinks_in_full(thought.text, right_steps(case))


def test_a_slip_makes_one_step_false_and_the_rest_follow_from_it() -> None:
    spoilt = 0
    for case, thought in thoughts(Habits(slip=1, correct=0, check=0, switch=0)):
        checked = check_steps(thought.text, right_steps(case))
        assert len(checked) == len(case.steps)
        assert [step.true for step in checked].count(False) == 1
        spoilt += thought.answer != case.answer
    # The smaller of two sums may be wrong and the larger right; any other slip spoils the answer.
    assert spoilt > 0.8 * 2 * len(CASES)


def test_what_follows_a_slip_builds_on_the_wrong_number() -> None:
    steps = (Step(7, "+", 5), Step(Ref(0), "*", 2), Step(Ref(1), "-", 4))
    # 7+5=12 slips to 13, 13*2=26, 26-4=22
    assert [str(e) for e in solve(steps, {0: 1})] == ["7+5=13", "13*2=26", "26-4=22"]


def test_a_correction_says_the_wrong_step_and_then_the_right_one() -> None:
    for case, thought in thoughts(Habits(slip=0, correct=1, check=0, switch=0)):
        checked = check_steps(thought.text, right_steps(case))
        assert len(checked) == len(case.steps) + 1
        (wrong,) = [place for place, step in enumerate(checked) if not step.true]
        before, after = checked[wrong].text, checked[wrong + 1].text
        assert before.partition("=")[0] == after.partition("=")[0] and before != after
        assert checked[wrong + 1].expected and not checked[wrong].expected
        waits = rf"{re.escape(before)}[.。]?( Wait, |不对，){re.escape(after)}"
        assert re.search(waits, thought.text) or "so " + before in thought.text
        assert thought.answer == case.answer


def test_a_check_says_the_last_step_again() -> None:
    for case, thought in thoughts(Habits(slip=0, correct=0, check=1, switch=0)):
        checked = check_steps(thought.text, right_steps(case))
        assert [step.text for step in checked] == [*right_steps(case), right_steps(case)[-1]]
        assert all(step.true and step.expected for step in checked)


def test_a_switch_mixes_languages_and_nothing_else_does() -> None:
    def is_mixed(thought: Thought) -> bool:
        return bool(CHINESE.search(thought.text)) and bool(re.search(r"[A-Za-z]", thought.text))

    assert not any(is_mixed(thought) for _, thought in thoughts(PERFECT))
    mixed = [is_mixed(t) for _, t in thoughts(Habits(slip=0, correct=0, check=0, switch=1))]
    # Three to five sentences, each of either language: 1 - 2/2^n is between 75% and 94%.
    assert 0.7 < sum(mixed) / len(mixed) < 0.97


def test_habits_are_probabilities_of_a_thought() -> None:
    habits = Habits(slip=0.25, correct=0, check=0, switch=0)
    false = [
        any(not step.true for step in check_steps(t.text, right_steps(c)))
        for c, t in thoughts(habits)
    ]
    assert abs(sum(false) / len(false) - 0.25) < 0.07  # 600 thoughts: four standard deviations


def test_a_thought_cut_short_makes_its_first_steps_and_guesses() -> None:
    answers = []
    for case, thought in thoughts(PERFECT, steps=1):
        right = right_steps(case)
        assert [step.text for step in check_steps(thought.text, right)] == right[:1]
        distinct = {text.partition("=")[0] for text in right}
        assert thinks_in_full(thought.text, right) == (len(distinct) == 1)
        answers.append(thought.answer == case.answer)
    assert abs(sum(answers) / len(answers) - 0.3) < 0.08


def test_a_slip_is_never_nothing() -> None:
    assert {slip(Random(seed)) for seed in range(200)} == {-10, -2, -1, 1, 2, 10}


def test_a_guess_is_right_as_often_as_it_is_told_to_be() -> None:
    # The answer 1 is where a wrong guess is cut off at 0: it must not become right by that.
    small = Case("chain", (Step(3, "-", 2),), {}, {}, {})
    for case in (small, CASES[0]):
        drawn = [guess(Random(seed), case, 0.35) for seed in range(3000)]
        assert min(drawn) >= 0
        assert abs(sum(g == case.answer for g in drawn) / 3000 - 0.35) < 0.035
        assert guess(Random(0), case, 1.0) == case.answer


def test_english_sentences_are_apart_and_chinese_ones_together() -> None:
    assert joined(["One.", "Two?", "三。", "四。", "Five."]) == "One. Two? 三。四。Five."


# --- the checker, on thoughts written by hand ---

STEPS = ["7+5=12", "12*2=24", "24-4=20"]


def verdicts(thought: str) -> list[tuple[bool, bool]]:
    return [(step.true, step.expected) for step in check_steps(thought, STEPS)]


@pytest.mark.parametrize(
    ("thought", "expected"),
    [
        ("First, 7+5=12. Then 12*2=24. Then 24-4=20.", [(True, True)] * 3),
        ("先算7+5=12。再算12 * 2 = 24。", [(True, True)] * 2),
        ("7+5=13. 13*2=26.", [(False, False), (True, False)]),
        ("7+5=13. Wait, 7+5=12. 12*2=24.", [(False, False), (True, True), (True, True)]),
        ("7+5=12. Check: 7+5=12, right.", [(True, True)] * 2),
        # A right sum that nobody asked for, and a right step before its turn.
        ("1+1=2. 12*2=24. 7+5=12.", [(True, False), (True, False), (True, True)]),
        ("I guess 20.", []),
        ("", []),
        ("7+5 is 12, 3=3, 7+5=", []),
        # No digits of longer numbers, on either side.
        ("17+5=12. 7+5=123.", [(False, False), (False, False)]),
        ("99999+1=5, 7+5=12345.", []),
        # A careless thinker goes below nought; the sum before it is no part of the number.
        ("3-10=-7. -7+12=5. 20--7=27. 7+-2=5.", [(True, False)] * 4),
        ("8-3=5-2", [(True, False)]),
    ],
)
def test_each_equation_is_true_or_not_and_asked_for_or_not(
    thought: str, expected: list[tuple[bool, bool]]
) -> None:
    assert verdicts(thought) == expected


def test_a_checked_step_is_written_without_blanks() -> None:
    assert check_steps("so 7 + 5 =12", STEPS) == (CheckedStep("7+5=12", true=True, expected=True),)


@pytest.mark.parametrize(
    ("thought", "full"),
    [
        ("7+5=12 12*2=24 24-4=20", True),
        ("7+5=13 13*2=26 26-4=22", True),  # wrong, and attempted
        ("7+5=12 12*2=24", False),
        ("7+5=12 12*2=24 Check: 12*2=24", False),  # said twice, attempted once
        ("7+5=11 Wait, 7+5=12 12*2=24", False),
        ("the answer is 20", False),
    ],
)
def test_a_full_thought_attempts_every_step(thought: str, full: bool) -> None:
    assert thinks_in_full(thought, STEPS) is full


def test_two_like_sums_are_attempted_by_saying_them_once() -> None:
    assert thinks_in_full("The cups cost 3*2=6. Together 6+6=12.", ["3*2=6", "3*2=6", "6+6=12"])


def test_the_checker_reads_whatever_an_equation_writes() -> None:
    rng = Random(0)
    for _ in range(500):
        left, right, result = (rng.randint(-60, 60) for _ in range(3))
        equation = Equation(left, rng.choice("+-*"), right, result)
        (found,) = check_steps(f"so {equation}.", [])
        assert (found.text, found.true) == (str(equation), equation.right_result)
        assert EQUATION.search(f"得到{equation}。")
