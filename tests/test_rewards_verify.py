"""The graders' own cases: what we agree on, and by which policy we differ, row by row.

Rows of kind `answer` are bare answers; `text` are completions searched as a whole, as
`accuracy_lenient` does, but where the row's own grader asks for a box; `think` and the boxed ones
are what `accuracy` is for, `choice` what the lenient `choice` is.
"""

from typing import Any

from answer_data import rows

from grpo_rewards.accuracy import accuracy, accuracy_lenient
from grpo_rewards.choice import choice
from grpo_rewards.equal import Comparison, compare, compare_quickly, compare_symbolically, equal
from grpo_rewards.extract import last_boxed, lenient_answer, reference_answer, strict_answer
from grpo_rewards.verdict import Sample

EQUIVALENCE, EXTRACTION = "verify/answer_equiv.jsonl", "verify/extraction.jsonl"
ENOUGH = 0.97

# Rows with a note on which graders differ, and the policy of docs/answers.md that decides them.
BY_POLICY = {
    "eq-0309": "approximations: no tolerance, 2 is not 2.0001",
    "eq-0310": "percent: 0.75 is not 75 without a percent sign",
    "eq-0323": "empty: an empty reference is skipped",
    "eq-0355": "lists: a bare list has no order",
    "eq-0362": "lists: a bare list has no order",
}

# Rows without a note: they count against the share.
DISAGREED = {
    "eq-0127": "approximations: 0.33 is not 1/3 (the row sets its precision to 2)",
    "eq-0133": "approximations: 2.6667 is not 8/3 (the row sets its precision to 2)",
    "eq-0181": "sets: a chain of bounds is an interval (row 0180, the same pair, expects 1)",
    "eq-0208": "the reference has an open brace: nobody can be right, the row is skipped",
}

# Of extraction.jsonl, by place.
EXTRACTED_BY_POLICY = {41: "a reference without #### is an answer as it stands"}


def is_paid(row: dict[str, Any]) -> bool:
    sample = Sample("", row["pred"], {"answer": row["gold"]})
    if row["kind"] == "answer":
        return equal(reference_answer(row["gold"]), row["pred"]) is True
    if row["kind"] == "choice":
        return choice(lenient=True).judge(sample).value == 1.0
    asks_for_box = row.get("format") == "strict_box" or "boxed required" in row.get("note", "")
    is_strict = row["kind"] == "think" or asks_for_box
    return (accuracy() if is_strict else accuracy_lenient()).judge(sample).value == 1.0


def gradable() -> list[dict[str, Any]]:
    return [row for row in rows(EQUIVALENCE) if row["expected"] is not None]


def test_agrees_with_the_graders_of_the_field() -> None:
    found = [row for row in gradable() if row["id"] not in BY_POLICY]
    wrong = {row["id"] for row in found if is_paid(row) != bool(row["expected"])}
    assert len(found) == 204
    assert wrong == set(DISAGREED)
    assert 1 - len(wrong) / len(found) >= ENOUGH


def test_differs_where_a_policy_says_so() -> None:
    noted = {row["id"]: row for row in gradable() if row["id"] in BY_POLICY}
    assert noted.keys() == BY_POLICY.keys()
    assert all("note" in row and is_paid(row) != bool(row["expected"]) for row in noted.values())


def test_both_paths_pay_the_same() -> None:
    pairs = [
        (reference_answer(row["gold"]), answer)
        for row in rows(EQUIVALENCE)
        for answer in (row["pred"], strict_answer(row["pred"]), lenient_answer(row["pred"]))
        if answer is not None
    ]
    pairs += [(row["expected"], row["text"]) for row in rows(EXTRACTION) if row["expected"]]
    settled = [(pair, found) for pair in pairs if (found := compare_quickly(*pair)) is not None]
    assert len(settled) > 380
    assert [pair for pair, found in settled if compare_symbolically(*pair) is not found] == []


def extracts(row: dict[str, Any]) -> bool:
    text, expected = row["text"], row["expected"]
    match row["kind"]:
        case "boxed":
            return last_boxed(text) == expected
        case "choice":
            sample = Sample("", text, {"answer": expected})
            return choice(lenient=True).judge(sample).value == 1.0
        case "normalize" | "gsm8k":
            if expected is None:
                return not reference_answer(text)
            return compare(expected, reference_answer(text)) is Comparison.EQUAL
        case _:
            found = lenient_answer(text)
            return not found if not expected else equal(expected, found or "") is True


def test_finds_what_the_field_finds() -> None:
    found = rows(EXTRACTION)
    missed = {place for place, row in enumerate(found) if not extracts(row)}
    assert len(found) == 45
    assert missed == set(EXTRACTED_BY_POLICY)
