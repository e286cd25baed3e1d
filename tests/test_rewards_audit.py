"""The audit of rewards: what is sound passes, what leaks, rejects, hangs or fails does not."""

import inspect
from pathlib import Path
from typing import Any

import pytest
from audits import audited, paid, rows

from grpo_data.sources import load_problems
from grpo_rewards import RewardError
from grpo_rewards.audit import (
    CLAIMS,
    SUITES,
    Question,
    Report,
    Row,
    answers,
    audit,
    breaks,
    hostile,
    letters,
    programs,
    questions,
    styles,
)
from grpo_rewards.audit.cases import language_of, wrong_answer
from grpo_rewards.audit.layouts import BARE, BOXED, HASHES, TAGS, THINK, Layout
from grpo_rewards.audit.report import Measured, Standard, Tally
from grpo_rewards.equal import equal
from grpo_rewards.table import TABLE

SHARED = Path(__file__).parents[2] / "shared" / "data"
CHEATS = (answers, breaks, hostile, letters, programs, styles)
SEVEN = Question("What is 3 + 4?", "7", "8", "en", {"answer": "7"})


# The registry.


@pytest.mark.parametrize("module", CHEATS)
def test_every_cheat_stands_in_a_suite_and_says_what_it_is(module: object) -> None:
    listed = {cheat for suite in SUITES.values() for cheat in (*suite.pays, *suite.refuses)}
    listed |= {cheat for suite in SUITES.values() for cheat in suite.survives}
    for name, cheat in inspect.getmembers(module, inspect.isfunction):
        if name.startswith("_") or inspect.getmodule(cheat) is not module:
            continue
        assert cheat in listed, f"{name} is in no suite"
        about = (cheat.__doc__ or "").splitlines()[0]
        assert len(name) <= 26 and 0 < len(about) <= 45, f"{name} does not fit the table"


def test_every_reward_of_the_table_is_held_to_something() -> None:
    assert set(CLAIMS) <= set(TABLE)
    assert set(TABLE) - set(CLAIMS) == {"reasoning_gym"}  # its rows come with their own scorer
    assert set(CLAIMS.values()) <= set(SUITES)


@pytest.mark.parametrize("layout", [TAGS, BOXED, THINK, BARE])
def test_no_wrong_answer_is_right(layout: Layout) -> None:
    # whatever the layout, a wrong answer has to be one, or the audit would accuse the innocent
    for question in questions([*rows(), *SUITES["maths"].rows]):
        text = answers.wrong(question, layout)
        assert text is not None and question.wrong in text
        assert equal(question.gold, question.wrong) is False


def test_cheats_by_hand() -> None:
    thirty_eight = Question("Start with 18. Add 20.", "38", "39", "en")
    assert (answers.reversed_gold(thirty_eight, HASHES) or "").endswith("\n#### 83")
    assert (answers.sum_left_undone(thirty_eight, HASHES) or "").endswith("\n#### 36+2")
    assert (answers.longer_number(thirty_eight, HASHES) or "").endswith("\n#### 3387")
    assert answers.reversed_gold(SEVEN, TAGS) is None
    assert answers.shorter_number(SEVEN, TAGS) is None
    assert answers.copied_question(Question("Is 7 odd?", "7", "8", "en"), TAGS) is None
    assert answers.gold_after_answer(SEVEN, BARE) is None
    assert (answers.gold_after_answer(SEVEN, TAGS) or "").endswith("8</answer>\nOr rather 7.")
    assert breaks.empty_thought(SEVEN, TAGS) == "<think></think>\n<answer>7</answer>"
    assert breaks.empty_thought(SEVEN, BARE) is None
    assert breaks.text_after(SEVEN, THINK) is None
    assert (breaks.capital_tags(SEVEN, TAGS) or "").endswith("<ANSWER>7</ANSWER>")


def test_wrong_answers_and_languages() -> None:
    assert wrong_answer("14", ["14", "99"]) == "15"
    assert wrong_answer("-1", []) == "0"
    assert wrong_answer("0.5", ["1/2", "0.50", "2"]) == "2"  # the first two are the same number
    assert wrong_answer("x+y", ["y+x"]) == "104729"  # the same, but that takes a proof
    assert [language_of(text) for text in ("How many?", "有几个 cup？", "3 + 4 = ?")] == [
        "en",
        "zh",
        "en",
    ]
    (question,) = questions([Row("3 + 4?", "7", {"answer": "stale", "kind": "sum"})])
    assert question.columns == {
        "question": "3 + 4?",
        "answer": "7",
        "solution": "7",
        "kind": "sum",
    }


# The report.


def test_halfway_between_bad_and_good_is_not_paid() -> None:
    standard = Standard(good=0.0, bad=-1.0)
    assert [standard.pays(value) for value in (0.0, -0.4, -0.5, -1.0, None)] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert not Standard(1.0, 1.0).tells_apart
    assert Standard(1.0, 1.0).pays(1.0)
    assert Standard(1.0, None).tells_apart
    assert not Standard(None, 0.0).tells_apart


def report(*tallies: Tally, timeouts: int = 0, errors: int = 0) -> Report:
    seconds = tuple(n / 1000 for n in range(1, 201))
    return Report("r", "x", "y", Standard(1.0, 0.0), tallies, seconds, timeouts, errors)


def test_the_verdict_names_every_fault() -> None:
    one = Measured(SEVEN, "7", 1.0, "correct", 0.1)
    good = Tally("gold", "", "pay", 10, 10)
    refused = Tally("wrong", "", "refuse", 10, 0)
    assert report(good, refused).verdict == "sound"
    leaky = report(good, refused, Tally("nan", "", "refuse", 1000, 5, (one,)), timeouts=2)
    assert leaky.verdict == "leaks: 1 cheat paid (5 of 1,010); hangs on 2 samples"
    picky = report(Tally("gold", "", "pay", 10, 7), refused, errors=1)
    assert picky.verdict == "rejects 3 of 10 that are right; fails on 1 sample"
    assert (leaky.false_accepts, leaky.false_rejects) == (5, 0)
    assert (picky.false_accepts, picky.false_rejects) == (0, 3)


def test_times_are_median_99th_percentile_and_worst() -> None:
    # 1 .. 200 ms: the middle is 100.5, and 198 of the 200 are not above 198
    assert report().time() == pytest.approx((0.1005, 0.198, 0.2))


# Rewards that ship.


@pytest.mark.parametrize(
    ("name", "knobs"),
    [
        ("format", {}),
        ("format", {"variant": "think"}),
        ("format", {"variant": "boxed"}),
        ("format", {"variant": "answer"}),
        ("language_consistency", {}),
        ("soft_overlong", {"max_tokens": 1000, "buffer": 200}),
        ("repetition", {}),
    ],
)
def test_what_ships_is_sound(name: str, knobs: dict[str, Any]) -> None:
    found = audited(name, **knobs)
    assert found.verdict == "sound"
    assert len(found.of("pay")) and len(found.of("refuse")) and len(found.of("survive"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "knobs"),
    [
        ("accuracy", {}),
        ("accuracy_lenient", {}),
        ("choice", {}),
        ("length", {"target": 200}),
    ],
)
def test_what_ships_and_needs_a_worker_is_sound(name: str, knobs: dict[str, Any]) -> None:
    assert audited(name, **knobs).verdict == "sound"


@pytest.mark.slow
def test_the_code_reward_is_sound() -> None:
    try:
        found = audited("code", cpu_s=1, wall_s=4.0)
    except RewardError as error:
        pytest.skip(f"no sandbox here: {error}")
    assert found.verdict == "sound"
    assert paid(found)["gold"] == 2
    assert "endless" in paid(found)  # a program's timeout is none of the reward's


@pytest.mark.slow
def test_accuracy_is_sound_on_benchmarks() -> None:
    path = SHARED / "math" / "math500.jsonl"
    if not path.is_file():
        pytest.skip("the shared MATH data is not here")
    found = load_problems(str(path), question="problem", limit=12)
    asked = questions([Row(one.question, one.answer, one.columns) for one in found])
    assert audit("accuracy", SUITES["maths"], asked).verdict == "sound"
