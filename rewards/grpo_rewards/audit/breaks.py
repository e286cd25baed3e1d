"""Breaks of a layout: completions with the right answer that are not laid out as they should be.

Every function writes one completion, or None where the layout has no such part to break.
"""

from collections.abc import Callable

from grpo_rewards.audit.cases import Question
from grpo_rewards.audit.layouts import Layout
from grpo_rewards.audit.texts import THOUGHTS


def many_lines(question: Question, layout: Layout) -> str | None:
    """Right: a thought of several lines."""
    return layout.write(_thought(question).replace(" ", "\n\n"), question.gold)


def signs_in_thought(question: Question, layout: Layout) -> str | None:
    """Right: signs in the thought that are no tags."""
    return layout.write(_thought(question) + " a < b, b > c, <x>", question.gold)


def no_tags(question: Question, layout: Layout) -> str | None:
    """The right answer as plain text."""
    return f"{_thought(question)} {question.gold}"


def empty_thought(question: Question, layout: Layout) -> str | None:
    """A think block with nothing in it."""
    return layout.write("", question.gold) if layout.has_thought_block else None


def invisible_thought(question: Question, layout: Layout) -> str | None:
    """A thought of marks that do not show."""
    return layout.write(" \n\u200b\x00", question.gold) if layout.has_thought_block else None


def no_thought(question: Question, layout: Layout) -> str | None:
    """The answer without a think block."""
    return layout.answer(question.gold) if layout.has_thought_block else None


def no_answer(question: Question, layout: Layout) -> str | None:
    """The thought without an answer."""
    return layout.thought(_thought(question)) if layout.shows_thought else None


def empty_answer(question: Question, layout: Layout) -> str | None:
    """An answer block with nothing in it."""
    return layout.write(_thought(question), "") if layout.has_answer_block else None


def invisible_answer(question: Question, layout: Layout) -> str | None:
    """An answer of marks that do not show."""
    text = layout.write(_thought(question), " \u200b\u00a0")
    return text if layout.has_answer_block else None


def thought_not_closed(question: Question, layout: Layout) -> str | None:
    """A think block that does not end."""
    return _without(layout.close_thought.strip(), question, layout)


def thought_not_opened(question: Question, layout: Layout) -> str | None:
    """A think block that does not begin."""
    return _without(layout.open_thought.strip(), question, layout)


def answer_not_closed(question: Question, layout: Layout) -> str | None:
    """An answer block that does not end."""
    if not layout.has_answer_block:
        return None
    return layout.thought(_thought(question)) + layout.open_answer + question.gold


def text_before(question: Question, layout: Layout) -> str | None:
    """Text before the first tag."""
    return "Sure, here it is: " + _good(question, layout) if layout.has_thought_block else None


def text_between(question: Question, layout: Layout) -> str | None:
    """Text between the two blocks."""
    if not (layout.has_thought_block and layout.has_answer_tags):
        return None
    return layout.thought(_thought(question)) + "So I say: " + layout.answer(question.gold)


def text_after(question: Question, layout: Layout) -> str | None:
    """Text after the answer block."""
    return _good(question, layout) + " That is all." if layout.has_answer_tags else None


def two_thoughts(question: Question, layout: Layout) -> str | None:
    """Two think blocks."""
    thought = layout.thought(_thought(question))
    return thought + _good(question, layout) if layout.has_thought_block else None


def two_answers(question: Question, layout: Layout) -> str | None:
    """Two answer blocks."""
    answer = layout.answer(question.gold)
    return _good(question, layout) + answer if layout.has_answer_tags else None


def nested_thought(question: Question, layout: Layout) -> str | None:
    """A think block inside a think block."""
    if not layout.has_thought_block:
        return None
    return layout.write(layout.thought(_thought(question)), question.gold)


def nested_answer(question: Question, layout: Layout) -> str | None:
    """An answer block inside an answer block."""
    if not layout.has_answer_tags:
        return None
    return layout.write(_thought(question), layout.answer(question.gold))


def answer_in_thought(question: Question, layout: Layout) -> str | None:
    """The answer inside the think block."""
    if not (layout.has_thought_block and layout.has_answer_block):
        return None
    return layout.thought(_thought(question) + layout.answer(question.gold))


def answer_first(question: Question, layout: Layout) -> str | None:
    """The blocks in the wrong order."""
    if not (layout.has_thought_block and layout.has_answer_tags):
        return None
    return layout.answer(question.gold) + layout.thought(_thought(question))


def capital_tags(question: Question, layout: Layout) -> str | None:
    """Tags in capital letters."""
    return _with_tags(question, layout, str.upper)


def spaced_tags(question: Question, layout: Layout) -> str | None:
    """Tags with a space inside."""
    return _with_tags(question, layout, lambda tag: tag.replace(">", " >"))


def look_alike_tags(question: Question, layout: Layout) -> str | None:
    """Tags of full-width signs."""
    return _with_tags(question, layout, lambda tag: tag.translate({60: "＜", 62: "＞"}))


def escaped_tags(question: Question, layout: Layout) -> str | None:
    """Tags as HTML writes signs."""
    return _with_tags(question, layout, lambda tag: tag.replace("<", "&lt;").replace(">", "&gt;"))


def _good(question: Question, layout: Layout) -> str:
    return layout.write(_thought(question), question.gold)


def _thought(question: Question) -> str:
    return THOUGHTS[question.language]


def _without(tag: str, question: Question, layout: Layout) -> str | None:
    return _good(question, layout).replace(tag, "") if tag.startswith("<") else None


def _with_tags(question: Question, layout: Layout, change: Callable[[str], str]) -> str:
    changed = Layout(
        layout.name,
        change(layout.open_thought),
        change(layout.close_thought),
        change(layout.open_answer),
        change(layout.close_answer),
    )
    return _good(question, changed)
