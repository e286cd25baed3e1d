"""The accuracy rewards: pay their own gold, refuse the known cheats, never guess."""

import time
from functools import cache
from itertools import pairwise

import any_text
import pytest
from answer_data import rows
from hypothesis import given, settings
from hypothesis import strategies as st

from grpo_rewards import Scorer
from grpo_rewards.accuracy import accuracy, accuracy_lenient
from grpo_rewards.choice import choice
from grpo_rewards.errors import RewardError
from grpo_rewards.format import format
from grpo_rewards.language import language_consistency
from grpo_rewards.verdict import Sample


def judged(text: str, gold: object = "7", prompt: str = "What is 3 + 4?") -> tuple[object, str]:
    one = accuracy().judge(Sample(prompt, text, {"answer": gold}))
    return one.value, one.outcome


@pytest.mark.parametrize(
    "text",
    [
        "<think>3 + 4 = 7</think><answer>7</answer>",
        "<answer>7</answer>",
        "<think>3 + 4 = 7</think><answer>The answer is $7$.</answer>",
        "<think>3 + 4 = 7</think> so it is \\boxed{7}",
        "3 + 4 = \\boxed{7}",
        "<think>3 + 4 = 7</think><answer>3 + 4 = 7. So the answer is 7.</answer>",
        "<think>先算 3 + 4</think><answer>因此答案为 7 个</answer>",
        "<think>先算 3 + 4</think><answer>答案：七</answer>",
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
        ("<think>a</think><answer>7 + x - x</answer>", "wrong"),
        ("<think>a</think><answer>The answer is 7. Or is it 8?</answer>", "wrong"),
        ("<think>a</think><answer>6 or the answer is 7</answer>", "wrong"),
        ("<think>a</think><answer>7万</answer>", "wrong"),
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
    assert accuracy().judge(sample).value == 1.0


def test_a_missing_reference_is_skipped_and_a_missing_column_named() -> None:
    assert judged("\\boxed{7}", None) == (None, "skipped")
    assert judged("\\boxed{7}", "  ") == (None, "skipped")
    with pytest.raises(RewardError, match=r"column `answer` or `solution`.*'level'"):
        accuracy().judge(Sample("", "\\boxed{7}", {"level": 1}))


def test_a_prompt_that_opens_the_thought() -> None:
    assert judged("a</think><answer>7</answer>", prompt="q <think>") == (1.0, "correct")
    assert judged("<answer>7</answer>", prompt="q <think>") == (0.0, "unparseable")


def test_lenient_looks_where_strict_finds_nothing() -> None:
    for text, value in [
        ("<think>3 + 4 = 7", 1.0),
        ("<answer>6</answer> no, 7", 0.0),
        ("<answer>7</answer> no, 6", 1.0),
        ("<answer>I think it is 7</answer>", 1.0),
        ("the answer is 8", 0.0),
        ("no number", 0.0),
        ("The answer is 7. I hope it is correct, all 100%", 1.0),
        ("答案：每人 7 个。一共 2 人", 1.0),
    ]:
        assert accuracy_lenient().judge(Sample("", text, {"answer": "7"})).value == value


def test_gsm8k_answers_never_need_sympy() -> None:
    found = rows("gsm8k/test.jsonl")[:200]
    for row, other in pairwise(found):
        gold, wrong = (one["answer"].rpartition("####")[2].strip() for one in (row, other))
        for answer, value in [(gold, 1.0), (wrong, float(wrong == gold))]:
            text = f"<think>{row['answer']}</think><answer>{answer}</answer>"
            one = accuracy().quick(Sample("", text, {"answer": row["answer"]}))
            assert one is not None and one.value == value


QUICK = [accuracy(), accuracy_lenient(), choice(), choice(lenient=True)]
QUICK += [format(), language_consistency()]
GOLDS = ["7", "\\frac{1}{2}x + 7", "B", "[0, 9)", "\\text{odd}"]


@any_text.quickly
@given(any_text.any_text, st.sampled_from(GOLDS))
def test_no_text_makes_a_quick_path_raise_or_leave_its_range(text: str, gold: str) -> None:
    for rule in QUICK:
        for completion in (text, f"<answer>{text}</answer>", f"\\boxed{{{text}}}"):
            one = rule.quick(Sample(text, completion, {"answer": gold}))
            assert one is None or one.value is None or 0.0 <= one.value <= 1.0


FORMULAS = st.text(alphabet="0123456789+-*/^=.,!()[]{}\\ xyfracsqtin_|'", min_size=1, max_size=25)


@pytest.mark.slow
@settings(max_examples=8, deadline=None, derandomize=True, database=None)
@given(st.lists(st.one_of(FORMULAS, any_text.any_text), min_size=20, max_size=20))
def test_no_text_makes_the_full_path_raise_or_leave_its_range(texts: list[str]) -> None:
    completions = [f"<answer>{text}</answer>" for text in texts]
    golds = [{"answer": GOLDS[at % len(GOLDS)]} for at in range(len(texts))]
    verdicts = scorer().score([""] * len(texts), completions, golds)
    assert all(part in (0.0, 1.0, None) for one in verdicts for part in one.parts.values())
    known = {"correct", "wrong", "unparseable", "timeout", "skipped"}
    assert {name for one in verdicts for name in one.outcomes.values()} <= known
    assert not scorer().messages


@cache
def scorer() -> Scorer:
    return Scorer({"accuracy": 1.0, "choice": 1.0}, workers=1, deadline_s=2.0)


REPEATED = ["answer is ", "答案是", "因此", "so ", "\\sqrt", "because ", "x=", "三", "<think>",
            "</think>", "<answer>", "\\boxed{", "{", "}", "$", "$$", "\\(", "\\[", "`",
             "```", "9", "9,", "9/", ".", "a", "先", "\\frac{1}{", "\\", " ", "\x00"]  # fmt: skip


@pytest.mark.parametrize("unit", REPEATED)
def test_much_of_anything_is_settled_in_linear_time(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    began = time.process_time()
    for completion in (text, f"<answer>{text}</answer>", f"The answer{text}", f"答案{text}"):
        for rule in QUICK:
            assert rule.quick(Sample("", completion, {"answer": "7"})) is not None
    assert time.process_time() - began < 5.0  # a quadratic path takes minutes
