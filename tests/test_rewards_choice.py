"""Multiple choice: the right option in every dress, and none of the ways to name several."""

from typing import Any

import any_text
import pytest
from answer_data import rows
from hypothesis import given

from grpo_rewards.choice import choice, options_of
from grpo_rewards.errors import RewardError
from grpo_rewards.letters import labelled, letter
from grpo_rewards.verdict import Sample

OPTIONS = ["12", "15 cm", "\\frac{1}{2}", "None of these"]


def judged(answer: str, gold: object = "B", **columns: object) -> tuple[float | None, str]:
    sample = Sample("", f"<think>a</think><answer>{answer}</answer>", {"answer": gold, **columns})
    found = choice().judge(sample)
    return found.value, found.outcome


RIGHT = [
    "B", "(B)", "[B]", "B.", "B)", "b", "\\text{B}", "\\textbf{(B)}", "$B$", "**B**", "\\boxed{B}",
    "\\boxed{\\text{(B)}}", "Option B", "选B", "The answer is B.", "The correct answer is: (B)",
    "因此答案是 B", "B. 15 cm", "(B) 15 cm", "B: 15",
]  # fmt: skip
WRONG = ["A", "(C)", "D. None of these", "A. 12"]
NONE = [
    "", "A or B", "B or A", "B, A", "A, B, C, D", "A B", "AB", "B and C", "B. 12, C. 15", "not B",
    "A. 12 B. 15 cm C. \\frac{1}{2}", "\\boxed{A} or \\boxed{B}", "yes", "E. 15 or B",
]  # fmt: skip


@pytest.mark.parametrize("answer", RIGHT)
def test_pays_the_letter(answer: str) -> None:
    assert judged(answer) == (1.0, "correct")
    assert judged(answer, options=OPTIONS) == (1.0, "correct")


@pytest.mark.parametrize("answer", WRONG)
def test_another_option_is_wrong(answer: str) -> None:
    assert judged(answer) == (0.0, "wrong")
    assert judged(answer, options=OPTIONS) == (0.0, "wrong")


@pytest.mark.parametrize("answer", NONE)
def test_two_letters_are_none(answer: str) -> None:
    assert judged(answer) == (0.0, "unparseable")
    assert judged(answer, options=OPTIONS) == (0.0, "unparseable")


@pytest.mark.parametrize(
    ("answer", "value"),
    [("15 cm", 1.0), ("15", 1.0), ("$15$ centimeters", 1.0), ("12", 0.0), ("0.5", 0.0), ("16", 0.0),
     ("B. 12", 0.0), ("A. 15 cm", 0.0), ("12 or 15", 0.0), ("E", 0.0)],
)  # fmt: skip
def test_the_text_of_an_option_counts_where_options_are_known(answer: str, value: float) -> None:
    assert judged(answer, options=OPTIONS)[0] == value


def test_a_text_that_two_options_share_may_be_either() -> None:
    assert judged("15", "C", options=["12", "15", "15"]) == (1.0, "correct")
    assert judged("15", "A", options=["12", "15", "15"]) == (0.0, "wrong")


@pytest.mark.parametrize("gold", ["B", "(B)", "B. 15 cm", "B) 15 cm", "\\text{B}", "15 cm", 1])
def test_what_a_reference_may_be(gold: object) -> None:
    assert judged("B", gold, options=OPTIONS) == (1.0, "correct")
    assert judged("C", gold, options=OPTIONS) == (0.0, "wrong")


@pytest.mark.parametrize("gold", [None, "", "F", "16", 4, -1, True])
def test_a_row_without_a_right_option_is_skipped(gold: object) -> None:
    assert judged("B", gold, options=OPTIONS) == (None, "skipped")


def test_a_row_without_a_reference_says_so() -> None:
    with pytest.raises(RewardError, match="choice needs the reference in a column"):
        choice().judge(Sample("", "<answer>B</answer>", {"options": OPTIONS}))


@pytest.mark.parametrize(
    "columns",
    [
        {"options": ["12", "15"]},
        {"choices": ["A)12", "B)15"]},
        {"options": ["(A) 12", "(B) 15"]},
        {"options": {"A": "12", "B": "15"}},
        {"choices": {"label": ["A", "B"], "text": ["12", "15"]}},
    ],
)
def test_the_shapes_of_options(columns: dict[str, Any]) -> None:
    assert options_of(columns) == {"A": "12", "B": "15"}


@pytest.mark.parametrize("columns", [{}, {"options": None}, {"options": "A) 12 B) 15"}])
def test_no_options(columns: dict[str, Any]) -> None:
    assert options_of(columns) == {}


def test_a_text_that_needs_algebra() -> None:
    options = ["A)5(√3 + 1)", "B)6(√3 + √2)", "C)7(√3 – 1)"]
    sample = Sample("", "\\boxed{5\\sqrt{3}+5}", {"answer": "A", "choices": options})
    assert choice().quick(sample) is None
    assert choice().judge(sample).value == 1.0


def test_labels() -> None:
    assert labelled("(B) 12") == ("B", "12")
    assert labelled("B") == ("B", "")
    assert labelled("A dog") == ("A", "dog")
    assert [labelled(text) for text in ("B + 1", "B, 104729", "B或7", "Because")] == [None] * 4
    assert letter("B. 12") == "B"
    assert letter("B. 12, C. 13") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("I think the correct answer is B", 1.0),
        ("B is right. Or C? Let's take B", 1.0),
        ("B，不是 A", 1.0),
        ("the answer is A, not B", 0.0),
        ("A train leaves at noon", 0.0),
    ],
)
def test_lenient_looks_on(text: str, value: float) -> None:
    sample = Sample("", text, {"answer": "B"})
    assert choice(lenient=True).judge(sample).value == value
    assert choice().judge(sample).value == 0.0


def dresses(row: dict[str, Any]) -> list[tuple[str, float]]:
    """Answers to one row of AQuA with what each is worth."""
    options, right = options_of(row), row["answer"]
    text = options[right]
    other = next(name for name, option in options.items() if option != text)
    named = [right, f"({right})", f"{right}. {text}", f"\\text{{{right}}}", text]
    another = [other, options[other], f"{right}. {options[other]}", f"{other}. {text}"]
    several = [f"{right} or {other}", f"{right}, {other}", "A B C D E", "\n".join(row["choices"])]
    return [*((one, 1.0) for one in named), *((one, 0.0) for one in another + several)]


@pytest.mark.slow
def test_aqua() -> None:
    found = rows("choice/aqua.jsonl")
    rule = choice()
    mistaken = [
        (row["id"], answer)
        for row in found
        for answer, value in dresses(row)
        if rule.judge(Sample("", f"<answer>{answer}</answer>", row)).value != value
    ]
    assert len(found) == 254
    assert mistaken == []


@any_text.quickly
@given(any_text.any_text)
def test_any_text_is_worth_nothing_or_all(text: str) -> None:
    for rule in (choice(), choice(lenient=True)):
        for columns in ({"answer": "B"}, {"answer": "B", "options": ["12", text, "7"]}):
            found = rule.quick(Sample(text, text, columns))
            assert found is None or found.value in (0.0, 1.0, None)
