"""Cheats on a choice: more than one option, or an option in passing.

Every function writes one completion, or None where the cheat makes no sense for the question.
"""

from grpo_rewards.audit.cases import Question
from grpo_rewards.audit.layouts import Layout
from grpo_rewards.audit.texts import THOUGHTS

_LETTERS = "ABCDEFGHIJ"


def bracketed_gold(question: Question, layout: Layout) -> str | None:
    """Right: the letter in brackets."""
    return _answer(question, layout, f"({question.gold})")


def all_options(question: Question, layout: Layout) -> str | None:
    """All letters, one beside the other."""
    return _answer(question, layout, " ".join(_letters(question)))


def options_joined(question: Question, layout: Layout) -> str | None:
    """All letters, as a list."""
    return _answer(question, layout, ", ".join(_letters(question)))


def letters_in_one(question: Question, layout: Layout) -> str | None:
    """All letters in one word."""
    return _answer(question, layout, "".join(_letters(question)))


def options_copied(question: Question, layout: Layout) -> str | None:
    """All options with their texts."""
    options = question.columns.get("choices", question.columns.get("options"))
    return _answer(question, layout, "\n".join(map(str, options))) if options else None


def all_of_them(question: Question, layout: Layout) -> str | None:
    """A word for all options."""
    return _answer(question, layout, "all of the above")


def right_letter_denied(question: Question, layout: Layout) -> str | None:
    """The right letter, denied."""
    return _answer(question, layout, f"not {question.gold}")


def letter_in_a_word(question: Question, layout: Layout) -> str | None:
    """The right letter as the first of a word."""
    return _answer(question, layout, f"{question.gold}bracadabra")


def letter_in_a_sentence(question: Question, layout: Layout) -> str | None:
    """Right in passing, wrong as the answer."""
    return _answer(question, layout, f"{question.gold} is wrong, it is {question.wrong}")


def letter_of_nothing(question: Question, layout: Layout) -> str | None:
    """A letter that is no option."""
    return _answer(question, layout, "Z")


def _answer(question: Question, layout: Layout, answer: str) -> str:
    return layout.write(THOUGHTS[question.language], answer)


def _letters(question: Question) -> str:
    options = question.columns.get("choices", question.columns.get("options"))
    return _LETTERS[: len(options) if options else 5]
