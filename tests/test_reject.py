"""Rejection sampling's rules on completions written by hand, the counts summed by hand."""

from pathlib import Path
from typing import Any

import pytest

from grpo.gathering import kept
from grpo.gathering.keeping import Harvest
from grpo.gathering.untaught import Untaught
from grpo.recipe.chain import Keeping
from grpo.rollout.sieve import Sifted, longest_paragraph, rules, sift
from grpo.types import Completion, Group, Judgement
from grpo_data.conversations import Conversation
from grpo_data.problem import Problem

LOOP = "and then I add one more " * 10
KEEPING = Keeping(least={"accuracy": 1.0, "language": 0.9}, paragraph=300, repeated=0.5)


def problem(number: int = 0, **columns: Any) -> Problem:
    about = {"kind": "sum", "language": "en", **columns}
    return Problem(f"p{number}", f"What is {number} plus 4?", str(number + 4), f"k{number}", about)


Said = tuple[str, float | None, float | None, str]


def said(
    text: str, right: float | None = 1.0, language: float | None = 1.0, end: str = "stop"
) -> Said:
    return text, right, language, end


def group(*all_said: Said, of: Problem | None = None) -> Group:
    completions = tuple(Completion(text, (1,), (-0.5,), end) for text, _, _, end in all_said)
    parts = [{"accuracy": right, "language": language} for _, right, language, _ in all_said]
    judgements = tuple(Judgement(1.0, part, {}) for part in parts)
    return Group(of or problem(), "prompt", (1, 2), completions, judgements)


@pytest.mark.parametrize(
    ("one", "dropped"),
    [
        (said("So it is 7."), None),
        (said("So it is", end="length"), "unfinished"),
        (said("So it is 8.", right=0.0), "accuracy"),
        (said("So it is 8.", right=None), "accuracy"),
        (said("So 它 is 7.", language=0.8), "language"),
        (said("So it is 7.", language=0.9), None),
        (said("x " * 150 + "y."), "paragraph"),  # 302 characters; its 10-grams are looked at later
        (said("First.\n\n```\n7\n```"), "code_blocks"),
        (said("First.\n~~~ python\n7"), "code_blocks"),
        (said("Say `7` or ``` in a line."), None),
        (said(LOOP), "repeated"),
    ],
)
def test_each_rule_drops_its_own_case(one: Said, dropped: str | None) -> None:
    (sifted,) = sift(group(one), KEEPING)
    assert sifted.dropped == dropped


def test_rules_can_be_switched_off() -> None:
    loose = Keeping(least={}, paragraph=0, code_blocks=True, repeated=1.0)
    every = group(said("x " * 500, right=0.0), said("```\n7\n```", language=None), said(LOOP))
    assert [sifted.dropped for sifted in sift(every, loose)] == [None, None, None]


def test_the_share_of_repeated_ten_grams_is_counted_in_words() -> None:
    # Six words ten times over: 60 words have 51 10-grams, of which 6 are distinct: 45 / 51 = 0.88.
    for least, dropped in ((0.87, "repeated"), (0.89, None)):
        (sifted,) = sift(group(said(LOOP)), KEEPING.model_copy(update={"repeated": least}))
        assert sifted.dropped == dropped


def test_a_paragraph_ends_at_an_empty_line() -> None:
    assert longest_paragraph("one\ntwo\n \nthree four five\n\n\nsix") == len("three four five")


def test_the_first_rule_broken_counts_and_each_by_itself() -> None:
    (sifted,) = sift(group(said(LOOP, right=0.0, end="length")), KEEPING)
    assert sifted == Sifted("unfinished", ("unfinished", "accuracy", "repeated"))
    assert rules(KEEPING)[:3] == ("unfinished", "accuracy", "language")


def test_a_duplicate_is_dropped_for_the_one_that_passed() -> None:
    sifted = sift(
        group(said("It is 7.", right=0.0), said("It is 7."), said("It  is\n7."), said("So 7.")),
        KEEPING,
    )
    # The second is the first's text, but the first did not pass: somebody must stand for it.
    assert [one.dropped for one in sifted] == ["accuracy", None, "duplicate", None]
    assert [one.broken for one in sifted] == [("accuracy",), ("duplicate",), ("duplicate",), ()]


NOTHING = Untaught({})


def harvest(*groups: Group, keeping: Keeping = KEEPING, against: Untaught = NOTHING) -> Harvest:
    taken = Harvest(keeping, prefill="<think>")
    for number, one in enumerate(groups):
        taken.take(one, [10 * number + (3 * k + 1) % 5 for k in range(len(one.completions))])
    taken.choose(against)
    return taken


def texts(taken: Harvest) -> list[str]:
    return [one.text.removeprefix("<think>") for one in taken.kept]


def test_at_most_k_are_kept_those_of_the_lowest_seeds_in_their_order() -> None:
    # Seeds (3k + 1) mod 5 of samples 0 to 4: 1, 4, 2, 0, 3.
    five = group(*[said(f"{k} is it.") for k in range(5)])
    keeping = KEEPING.model_copy(update={"at_most": 3})
    taken = harvest(five, keeping=keeping)
    assert texts(taken) == ["0 is it.", "2 is it.", "3 is it."]
    assert [one.seed for one in taken.kept] == [1, 2, 0]
    assert taken.report()["dropped"]["surplus"] == 2


def test_the_report_sums_to_the_samples() -> None:
    first = group(
        said("a", right=0.0, language=0.1),
        said("b", language=0.5),
        said("c", end="length"),
        said("d"),
        said("d"),
    )
    chinese = problem(1, language="zh", kind="story")
    second = group(said("e", right=0.0), said("f", right=0.0), of=chinese)
    third = group(*[said(text) for text in "ghijk"], of=problem(2))
    keeping = KEEPING.model_copy(update={"at_most": 3})
    report = harvest(first, second, third, keeping=keeping).report()
    dropped = {name: count for name, count in report["dropped"].items() if count}
    # 12 samples: 1 + 2 wrong, 1 mixed, 1 cut, 1 twice, 2 beyond three of five; d and 3 of g-k stay.
    assert dropped == {
        "accuracy": 3, "language": 1, "unfinished": 1, "duplicate": 1, "surplus": 2,
    }  # fmt: skip
    assert sum(dropped.values()) + report["kept"] == report["samples"] == 12
    alone = {name: count for name, count in report["alone"].items() if count}
    assert alone == {"accuracy": 3, "language": 2, "unfinished": 1, "duplicate": 1}
    assert (report["kept"], report["problems"], report["problems_kept"]) == (4, 3, 2)
    assert report["by"] == {
        "domain": {"reasoning": {"samples": 12, "kept": 4}},
        "kind": {"story": {"samples": 2, "kept": 0}, "sum": {"samples": 10, "kept": 4}},
        "language": {"en": {"samples": 10, "kept": 4}, "zh": {"samples": 2, "kept": 0}},
    }


TEN = "one two three four five six seven eight nine ten"


def test_ten_words_of_an_evaluation_in_question_or_answer_are_too_many() -> None:
    against = Untaught({"exam": [f"Read: {TEN}. What comes next?", "3 + 4?"]})
    rows = [
        ("What is 1 plus 4?", f"I see {TEN} and stop."),
        ("What is 1 plus 4?", f"I see {TEN.removesuffix(' ten')} and stop."),
        (f"Now {TEN}!", "eleven"),
        ("What is 1 plus 4?", "3 + 4?"),
        ("3 + 4 ?", "7"),
    ]
    hits = against.hits(rows)
    # The fourth says what the exam asks, whole, though it is short; the fifth asks it.
    assert hits.rows == {0, 2, 3, 4}
    (told,) = hits.told["against"]
    assert (told["texts"], told["questions"], told["answers"]) == (2, 2, 2)


def test_numbers_tell_problems_of_one_template_apart() -> None:
    template = "One pen costs {} dollars and one cup costs {} dollars. How much are they?"
    against = Untaught({"exam": [template.format(3, 5)]})
    questions = [template.format(3, 5), template.format(5, 3)]
    assert against.hits([(question, "8") for question in questions]).rows == {0}


def test_what_overlaps_is_dropped_before_k_are_chosen() -> None:
    against = Untaught({"exam": [TEN]})
    one = group(said(f"{TEN} a"), said("b"), said(f"{TEN} c"), said("d"))
    keeping = KEEPING.model_copy(update={"at_most": 2})
    taken = harvest(one, keeping=keeping, against=against)
    assert texts(taken) == ["b", "d"]
    assert (taken.report()["dropped"]["overlap"], taken.report()["dropped"]["surplus"]) == (2, 0)


def test_a_row_says_where_it_comes_from_and_why_it_is_there() -> None:
    strange = problem(3, messages="none", provenance="mine", source="book")
    (one,) = harvest(group(said("It is 7.", language=0.95), of=strange)).kept
    row = kept.row(one, kept.Origin("r1", "pick", "9f2c"), KEEPING)
    assert row == {
        "id": "p3/0",
        "key": "k3",
        "prompt": "What is 3 plus 4?",
        "completion": "<think>It is 7.",
        "kind": "sum",
        "language": "en",
        "source": "book",
        "answer": "7",
        "provenance": {
            "source": "r1:pick",
            "checkpoint": "9f2c",
            "problem": "p3",
            "sample": 0,
            "seed": 1,
            "reward": 1.0,
            "rewards": {"accuracy": 1.0, "language": 0.95},
            "why": "accuracy 1 (least 1), language 0.95 (least 0.9), no other rule broken",
        },
    }


def test_conversations_beside_pass_the_same_gate_and_keep_what_they_know() -> None:
    turns = ({"role": "user", "content": "Hello there"}, {"role": "assistant", "content": TEN})
    conversations = [
        Conversation("a", "Hello", "Good day.", "hello", {"kind": "greeting"}),
        Conversation("b", turns, "What?", "b"),
        Conversation("c", "Sum?", "7", "c", {"provenance": {"source": "r1:pick"}}),
    ]
    rows, told = kept.beside(conversations, "talk.jsonl", Untaught({"exam": [TEN]}))
    assert [row["id"] for row in rows] == ["a", "c"]
    assert rows[0]["kind"] == "greeting"
    assert [row["provenance"]["source"] for row in rows] == ["talk.jsonl", "r1:pick"]
    assert (told["read"], told["kept"], told["dropped"]) == (3, 2, {"overlap": 1})


def test_the_terminal_says_it_in_a_few_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = {
        "samples": 3200, "kept": 285, "problems": 400, "problems_kept": 219, "rows": 297,
        "dropped": {"accuracy": 2690, "overlap": 17, "surplus": 0, "language": 208},
        "beside": {"source": "tiny:general", "read": 12, "kept": 12, "dropped": {"overlap": 0}},
    }  # fmt: skip
    kept.say("pick", Path("data/pick.jsonl"), report)
    assert capsys.readouterr().out.splitlines() == [
        "pick: 285 of 3,200 samples kept, of 219 of 400 problems",
        "pick: dropped 2,690 accuracy, 208 language, 17 overlap",
        "pick: 12 of 12 rows of tiny:general beside (dropped: none)",
        "pick: 297 rows in data/pick.jsonl",
    ]
