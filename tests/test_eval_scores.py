"""Scores, verdicts and warnings of recorded completions, by hand."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from evaluations import SUMS, Scripted, kept_scorers, problem, task

from grpo.eval.examine import examine
from grpo.eval.marker import ScorerOf
from grpo.eval.row import Row
from grpo.eval.score import by_question, scored, verdicts
from grpo.eval.task import HELD_OUT, marking


@pytest.fixture(scope="module")
def scorers() -> Iterator[ScorerOf]:
    with kept_scorers() as scorer_of:
        yield scorer_of


REPLIES = {
    # question: its four answers; the reference of a is 2, of b 4, of c 6
    "a": ["\\boxed{2}", "\\boxed{2}", "\\boxed{2}", "\\boxed{3}"],
    "b": ["\\boxed{4}", "\\boxed{5}", "\\boxed{5.0}", "One by one. In the end there are 4."],
    "c": ["CUT short", "\\boxed{7}", "\\boxed{8}", "\\boxed{9}"],
}


@pytest.fixture
def rows(scorers: Any) -> list[Row]:
    counters = {name: iter(replies) for name, replies in REPLIES.items()}
    problems = [
        problem(name, name, str(2 * n), level="odd" if n % 2 else "even", kind="sum")
        for n, name in enumerate(REPLIES, start=1)
    ]
    script = Scripted(lambda put, seed: next(counters[put]))
    return examine([task("t", problems, k=4)], script, scorers, 0)


def test_scores_by_hand(rows: list[Row]) -> None:
    found = scored(rows, marking("accuracy"))
    # 3/4, 1/4 and 0 of each question's samples are right: (1 + 0) / 3 of 4/4.
    assert found["avg"]["value"] == pytest.approx((3 / 4 + 1 / 4) / 3)
    assert (found["k"], found["questions"], found["verdict"]) == (4, 3, "accuracy")
    # pass@2: a misses with no pair of wrong ones (1 wrong): 1; b: 1 - C(3,2)/C(4,2) = 1/2; c: 0.
    assert found["pass"]["2"]["value"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert found["pass"]["4"]["value"] == pytest.approx(2 / 3)
    assert list(found["pass"]) == ["1", "2", "3", "4"]
    # cons@4: a votes 2, 2, 2, 3: right. b votes 4, 5, 5.0 and is silent once: 5 has two votes,
    # however it is spelt: wrong. c: three answers with a vote each, all wrong.
    assert found["cons"]["4"]["value"] == pytest.approx(1 / 3)
    assert list(found["cons"]) == ["1", "2", "4"]
    # Leniently the one in words is right too.
    assert found["scores"]["lenient"]["value"] == pytest.approx((3 / 4 + 2 / 4) / 3)
    assert (found["truncated"], found["unparseable"]) == (1 / 12, 2 / 12)
    levels = {name: score["value"] for name, score in found["by"]["level"].items()}
    assert levels == {"even": 1 / 4, "odd": pytest.approx(3 / 8)}
    assert "kind" not in found["by"]  # all of one kind: nothing is broken down
    assert json.dumps(found, allow_nan=False)


def test_what_bent_a_score_is_said(rows: list[Row]) -> None:
    assert scored(rows, marking("accuracy"))["warnings"] == []  # within so wide an interval
    many = [row for n in range(40) for row in _renamed(rows, n)]
    cut, lost = scored(many, marking("accuracy"))["warnings"]
    assert cut.startswith("8% of the samples were cut off and count as wrong")
    assert "may be up to 41.7%" in cut  # 4/12 right and 1/12 cut off
    assert cut.endswith("; raise --max-tokens")
    went_on = [replace(row, extracted="7") if row.is_truncated else row for row in many]
    cut, _ = scored(went_on, marking("accuracy"))["warnings"]
    assert cut.endswith("--max-tokens, or end them by --stop: 100% of them had answered")
    assert lost == (
        "no answer could be read in 8% of the samples, and 100% of those have no \\boxed{} and no "
        "<answer>; read leniently the score is 41.7% (`grpo rescore RESULT --reward "
        "accuracy_lenient`)"
    )


def _renamed(rows: list[Row], number: int) -> list[Row]:
    return [replace(row, question_id=f"{row.question_id}{number}") for row in rows]


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        ("timeout", "1 of 12 samples could not be judged within the deadline and count as wrong"),
        ("error", "1 of 12 samples failed to be judged and count as wrong"),
        ("skipped", "1 of 12 samples were skipped by the reward and count as wrong"),
    ],
)
def test_samples_nobody_judged_are_counted(rows: list[Row], outcome: str, sentence: str) -> None:
    rows[3] = replace(rows[3], outcome=outcome)
    found = scored(rows, marking("accuracy"))
    assert found[outcome] == 1 / 12
    assert found["warnings"] == [sentence]


THOUGHT = "<think>1+1=2</think>"
TEXTS = {
    # text: strict, lenient, format; the answer is 2
    THOUGHT + "<answer>2</answer>": (True, True, True),
    THOUGHT + "\n<answer> 2 </answer>\n": (True, True, True),
    THOUGHT + "<answer>3</answer>": (False, False, True),
    "<think>所以是2。</think><answer>2个</answer>": (True, True, True),
    "1+1=2": (False, True, False),
    "2": (False, True, False),
    "<answer>2</answer>": (False, True, False),
    THOUGHT + "2": (False, True, False),
    THOUGHT + "<answer>2</answer> so": (False, True, False),
    "<think></think><answer>2</answer>": (False, True, False),
    "<think>2</think><answer>1</answer>": (False, False, True),
    "the answer is 2, no, 3": (False, False, False),
    "": (False, False, False),
}


@pytest.mark.parametrize("text", TEXTS)
def test_strict_lenient_and_format(scorers: Any, text: str) -> None:
    asked = task("held-out", SUMS[:1], by=HELD_OUT)
    rows = examine([asked], Scripted(lambda put, seed: text), scorers, 0)
    found = verdicts(by_question(rows), HELD_OUT)
    assert tuple(found[name].value == 1 for name in ("strict", "lenient", "format")) == TEXTS[text]
    assert rows[0].correct == TEXTS[text][0]


def test_accuracy_given_the_format_looks_at_the_formed_alone(scorers: Any) -> None:
    texts = iter([THOUGHT + "<answer>2</answer>", THOUGHT + "<answer>3</answer>", "2", ""])
    asked = task("held-out", SUMS[:1], k=4, by=HELD_OUT)
    rows = examine([asked], Scripted(lambda put, seed: next(texts)), scorers, 0)
    found = {name: one.value for name, one in verdicts(by_question(rows), HELD_OUT).items()}
    assert found == {
        "strict": 0.25, "lenient": 0.5, "format": 0.5, "accuracy_given_format": 0.5,
    }  # fmt: skip
    none = examine([asked], Scripted(lambda put, seed: ""), scorers, 0)
    empty = scored(none, HELD_OUT)["scores"]["accuracy_given_format"]
    assert (empty["value"], empty["low"], empty["high"]) == (None, 0.0, 1.0)
