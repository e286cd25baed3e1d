"""The accuracy rewards: pay their own gold, refuse the known cheats, never guess."""

import json
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grpo_rewards.accuracy import accuracy, accuracy_lenient
from grpo_rewards.errors import RewardError
from grpo_rewards.format import format
from grpo_rewards.language import language_consistency
from grpo_rewards.verdict import Sample

SHARED = Path(__file__).parents[2] / "shared"


def judged(text: str, gold: object = "7", prompt: str = "What is 3 + 4?") -> tuple[object, str]:
    one = accuracy.judge(Sample(prompt, text, {"answer": gold}))
    return one.value, one.outcome


@pytest.mark.parametrize(
    "text",
    [
        "<think>3 + 4 = 7</think><answer>7</answer>",
        "<answer>7</answer>",
        "<think>3 + 4 = 7</think><answer>The answer is $7$.</answer>",
        "<think>3 + 4 = 7</think> so it is \\boxed{7}",
        "3 + 4 = \\boxed{7}",
    ],
)
def test_pays_its_gold(text: str) -> None:
    assert judged(text) == (1.0, "correct")


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("<think>a</think><answer>8</answer>", "wrong"),
        ("<think>a</think><answer>3 + 4</answer>", "wrong"),
        ("<think>a</think><answer>6 or 7</answer>", "wrong"),
        ("<think>a</think><answer>5, 6, 7</answer>", "wrong"),
        ("<think>a</think><answer>\\boxed{6} or \\boxed{7}</answer>", "wrong"),
        ("<think>a</think><answer>1 2 3 4 5 6 7</answer>", "unparseable"),
        ("<think>a</think><answer>6</answer><answer>7</answer>", "unparseable"),
        ("<think>a</think><answer>7</answer><answer>6</answer>", "unparseable"),
        ("<think>a <answer>7</answer></think>", "unparseable"),
        ("<think>so \\boxed{7}</think> done", "unparseable"),
        ("<think>a</think><answer></answer>", "unparseable"),
        ("<think>a</think><answer>7", "unparseable"),
        ("<think>a</think><answer>2^{2^{36}}</answer>", "unparseable"),
        ("<think>a</think><answer>7}\\boxed{7</answer>", "unparseable"),
        ("the answer is 7", "unparseable"),
        ("", "unparseable"),
    ],
)
def test_refuses_its_cheats(text: str, outcome: str) -> None:
    assert judged(text) == (0.0, outcome)


def test_the_reference_may_be_a_whole_solution_or_a_number() -> None:
    assert judged("\\boxed{7}", "So it is\n#### 7") == (1.0, "correct")
    assert judged("\\boxed{7}", 7) == (1.0, "correct")
    sample = Sample("", "\\boxed{7}", {"solution": "thus $\\boxed{7}$"})
    assert accuracy.judge(sample).value == 1.0


def test_a_missing_reference_is_skipped_and_a_missing_column_named() -> None:
    assert judged("\\boxed{7}", None) == (None, "skipped")
    assert judged("\\boxed{7}", "  ") == (None, "skipped")
    with pytest.raises(RewardError, match=r"column `answer` or `solution`.*'level'"):
        accuracy.judge(Sample("", "\\boxed{7}", {"level": 1}))


def test_a_prompt_that_opens_the_thought() -> None:
    assert judged("a</think><answer>7</answer>", prompt="q <think>") == (1.0, "correct")
    assert judged("<answer>7</answer>", prompt="q <think>") == (0.0, "unparseable")


def test_lenient_ignores_the_tags() -> None:
    for text, value in [
        ("<think>3 + 4 = 7", 1.0),
        ("<answer>6</answer> no, 7", 1.0),
        ("the answer is 8", 0.0),
        ("no number", 0.0),
    ]:
        assert accuracy_lenient.judge(Sample("", text, {"answer": "7"})).value == value


def test_gsm8k_answers_never_need_sympy() -> None:
    path = SHARED / "data/gsm8k/test.jsonl"
    if not path.exists():
        pytest.skip("the shared GSM8K data is not here")
    rows = [json.loads(line) for line in path.read_text().splitlines()[:200]]
    for row, other in pairwise(rows):
        gold, wrong = (one["answer"].rpartition("####")[2].strip() for one in (row, other))
        for answer, value in [(gold, 1.0), (wrong, float(wrong == gold))]:
            text = f"<think>{row['answer']}</think><answer>{answer}</answer>"
            one = accuracy.quick(Sample("", text, {"answer": row["answer"]}))
            assert one is not None and one.value == value


QUICK = [accuracy, accuracy_lenient, format, language_consistency]
PIECES = st.sampled_from(
    ["<think>", "</think>", "<answer>", "</answer>", "\\boxed{", "}", "{", "7", " ", "$", "\\(",
     "\\)", "```", "先", "word ", ",", "and", "\\frac", "=", "^", "\x00", "\u202e", "\ud800"]
)  # fmt: skip


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=25).map("".join)))
def test_no_text_makes_a_quick_path_raise_or_leave_its_range(text: str) -> None:
    for rule in QUICK:
        one = rule.quick(Sample(text, text, {"answer": "7"}))
        assert one is None or one.value is None or 0.0 <= one.value <= 1.0


MEGABYTES = ["<think>", "</think>", "<answer>", "\\boxed{", "{", "}", "$", "$$", "\\(", "\\[", "`",
             "```", "9", "9,", "9/", ".", "a", "先", "\\frac{1}{", "\\", " ", "\x00"]  # fmt: skip


@pytest.mark.parametrize("unit", MEGABYTES)
def test_a_megabyte_of_anything_is_settled_in_linear_time(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    began = time.process_time()
    for rule in QUICK:
        assert rule.quick(Sample("", text, {"answer": "7"})) is not None
    assert time.process_time() - began < 5.0  # a quadratic path takes minutes
