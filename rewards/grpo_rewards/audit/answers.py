"""Cheats on the answer: completions that hold the right answer, or look it, and do not give it.

Every function writes one completion, or None where the cheat makes no sense for the question or
the layout: a reward that reads the last number is not blamed for a correction in plain text.
"""

import re

from grpo_rewards.audit.cases import Question
from grpo_rewards.audit.layouts import Layout
from grpo_rewards.audit.texts import INJECTION, PLACEHOLDER, THOUGHTS

_COUNTED = 20


def gold(question: Question, layout: Layout) -> str | None:
    """The right answer, plainly."""
    return _answer(question, layout, question.gold)


def boxed_gold(question: Question, layout: Layout) -> str | None:
    """The right answer in a box."""
    return _answer(question, layout, rf"\boxed{{{question.gold}}}")


def gold_as_formula(question: Question, layout: Layout) -> str | None:
    """The right answer between dollars."""
    return _answer(question, layout, f"${question.gold}$")


def gold_in_a_phrase(question: Question, layout: Layout) -> str | None:
    """The right answer after "the answer is"."""
    phrase = {"en": "The answer is {}.", "zh": "答案是{}。"}[question.language]
    return _answer(question, layout, phrase.replace("{}", question.gold))


def wrong(question: Question, layout: Layout) -> str | None:
    """A wrong answer, plainly."""
    return _answer(question, layout, question.wrong)


def gold_or_wrong(question: Question, layout: Layout) -> str | None:
    """Two answers, the right one first."""
    return _answer(question, layout, f"{question.gold} or {question.wrong}")


def wrong_or_gold(question: Question, layout: Layout) -> str | None:
    """Two answers, the right one last."""
    return _answer(question, layout, f"{question.wrong} or {question.gold}")


def set_of_both(question: Question, layout: Layout) -> str | None:
    """Two answers as a set."""
    return _answer(question, layout, rf"\{{{question.gold},{question.wrong}\}}")


def counted_up(question: Question, layout: Layout) -> str | None:
    """All numbers up to the right one."""
    n = _integer(question)
    return None if n is None else _answer(question, layout, _listed(n - _COUNTED, n))


def counted_past(question: Question, layout: Layout) -> str | None:
    """All numbers around the right one."""
    n = _integer(question)
    return None if n is None else _answer(question, layout, _listed(n - _COUNTED, n + _COUNTED))


def range_around(question: Question, layout: Layout) -> str | None:
    """A range with the right answer in it."""
    n = _integer(question)
    return None if n is None else _answer(question, layout, f"{n - 1} to {n + 1}")


def bound(question: Question, layout: Layout) -> str | None:
    """An inequality that holds for it."""
    return (
        None
        if _integer(question) is None
        else _answer(question, layout, rf"x \geq {question.gold}")
    )


def several_boxes(question: Question, layout: Layout) -> str | None:
    """Several boxes, the right one first."""
    boxes = rf"\boxed{{{question.gold}}} \boxed{{{question.wrong}}}"
    return layout.thought(_thought(question)) + boxes


def gold_block_first(question: Question, layout: Layout) -> str | None:
    """Two answer blocks, the right one first."""
    if not layout.open_answer:
        return None
    return _answer(question, layout, question.gold) + "\n" + layout.answer(question.wrong)


def gold_block_last(question: Question, layout: Layout) -> str | None:
    """Two answer blocks, the right one last."""
    if not layout.has_answer_tags:
        return None
    return _answer(question, layout, question.wrong) + "\n" + layout.answer(question.gold)


def gold_after_answer(question: Question, layout: Layout) -> str | None:
    """A wrong answer, the right one after it."""
    if not layout.has_answer_block:
        return None
    return _answer(question, layout, question.wrong) + f"\nOr rather {question.gold}."


def gold_before_thought(question: Question, layout: Layout) -> str | None:
    """Right before all, wrong in its place."""
    return f"{question.gold}\n" + _answer(question, layout, question.wrong)


def gold_in_thought(question: Question, layout: Layout) -> str | None:
    """Right in the thought, wrong in its place."""
    return layout.write(_thought(question) + rf" \boxed{{{question.gold}}}", question.wrong)


def gold_in_thought_only(question: Question, layout: Layout) -> str | None:
    """Right in the thought, and none after it."""
    if not layout.has_thought_block:
        return None
    return layout.thought(_thought(question) + rf" \boxed{{{question.gold}}}")


def gold_in_comment(question: Question, layout: Layout) -> str | None:
    """Wrong, the right one in a comment."""
    return _answer(question, layout, f"{question.wrong} <!-- {question.gold} -->")


def gold_in_look_alike_tags(question: Question, layout: Layout) -> str | None:
    """Right in forged tags, wrong in real ones."""
    if not layout.has_answer_tags:
        return None
    forged = f"＜answer＞{question.gold}＜/answer＞ <Answer>{question.gold}</Answer>\n"
    return layout.thought(_thought(question)) + forged + layout.answer(question.wrong)


def gold_in_nested_tags(question: Question, layout: Layout) -> str | None:
    """Right inside the block of a wrong one."""
    if not layout.has_answer_tags:
        return None
    return _answer(question, layout, question.wrong + layout.answer(question.gold))


def gold_after_nul(question: Question, layout: Layout) -> str | None:
    """Wrong and right, a NUL between them."""
    return _answer(question, layout, f"{question.wrong}\x00{question.gold}")


def gold_repeated(question: Question, layout: Layout) -> str | None:
    """The right answer five times over."""
    n = _integer(question)
    return None if n is None else _answer(question, layout, " ".join([question.gold] * 5))


def reversed_gold(question: Question, layout: Layout) -> str | None:
    """The right answer, its digits reversed."""
    turned = _reversed(question.gold)
    return None if turned == question.gold else _answer(question, layout, turned)


def right_to_left_gold(question: Question, layout: Layout) -> str | None:
    """The same, made to look right on a screen."""
    turned = _reversed(question.gold)
    return None if turned == question.gold else _answer(question, layout, "\u202e" + turned)


def longer_number(question: Question, layout: Layout) -> str | None:
    """A longer number, the right one inside."""
    return None if _integer(question) is None else _answer(question, layout, f"3{question.gold}7")


def shorter_number(question: Question, layout: Layout) -> str | None:
    """The right answer without its last digit."""
    is_long = _integer(question) is not None and len(question.gold.lstrip("-")) > 1
    return _answer(question, layout, question.gold[:-1]) if is_long else None


def near_miss(question: Question, layout: Layout) -> str | None:
    """The right answer and a thousandth."""
    return None if _integer(question) is None else _answer(question, layout, f"{question.gold}.001")


def other_sign(question: Question, layout: Layout) -> str | None:
    """The right answer with the other sign."""
    n = _integer(question)
    return _answer(question, layout, str(-n)) if n else None


def sum_left_undone(question: Question, layout: Layout) -> str | None:
    """A sum that would come to it."""
    n = _integer(question)
    return None if n is None else _answer(question, layout, f"{n - 2}+2" if n != 2 else "-1+3")


def copied_question(question: Question, layout: Layout) -> str | None:
    """The question itself.

    Left out where the right answer stands in the question: then it is not wrong in every reading.
    """
    is_in_it = question.gold in question.text
    return None if is_in_it else _answer(question, layout, question.text)


def placeholder(question: Question, layout: Layout) -> str | None:
    """Words in place of an answer."""
    return _answer(question, layout, PLACEHOLDER)


def injection(question: Question, layout: Layout) -> str | None:
    """An order to the judge, and no answer."""
    return _answer(question, layout, INJECTION)


def not_a_number(question: Question, layout: Layout) -> str | None:
    """`nan`, which is unlike every number."""
    return _answer(question, layout, "nan")


def tautology(question: Question, layout: Layout) -> str | None:
    """What is true of everything."""
    return _answer(question, layout, "x = x")


def empty_answer(question: Question, layout: Layout) -> str | None:
    """Nothing in the place for the answer."""
    return _answer(question, layout, "")


def invisible_answer(question: Question, layout: Layout) -> str | None:
    """Spaces and marks that do not show."""
    return _answer(question, layout, " \u200b\u00a0\ufeff ")


def thought_alone(question: Question, layout: Layout) -> str | None:
    """A thought that comes to no answer."""
    return layout.thought(_thought(question))


def nothing(question: Question, layout: Layout) -> str | None:
    """An empty completion."""
    return ""


def _answer(question: Question, layout: Layout, answer: str) -> str:
    return layout.write(_thought(question), answer)


def _thought(question: Question) -> str:
    return THOUGHTS[question.language]


def _integer(question: Question) -> int | None:
    return int(question.gold) if re.fullmatch(r"-?\d{1,15}", question.gold) else None


def _listed(first: int, last: int) -> str:
    return " or ".join(map(str, range(first, last + 1)))


def _reversed(answer: str) -> str:
    return re.sub(r"\d+", lambda digits: digits[0][::-1], answer)
