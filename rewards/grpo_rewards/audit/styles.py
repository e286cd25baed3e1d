"""Completions for rewards that look at the manner and not at the answer: language, length, loops.

Every function writes one completion; the first of each group of three is the right manner.
"""

from grpo_rewards.audit.cases import Question
from grpo_rewards.audit.layouts import Layout
from grpo_rewards.audit.texts import CONCLUSIONS, FORMULAS, OTHER, SENTENCES, THOUGHTS

_MANY_THOUGHTS, _MANY_SENTENCES, _MANY_WORDS = 3000, 200, 2000


def own_language(question: Question, layout: Layout) -> str | None:
    """Right: in the language of the question."""
    return layout.write(THOUGHTS[question.language], question.gold)


def own_language_with_formulas(question: Question, layout: Layout) -> str | None:
    """Right: with formulas, of no language."""
    return layout.write(FORMULAS + THOUGHTS[question.language], question.gold)


def other_language(question: Question, layout: Layout) -> str | None:
    """The thought in the other language."""
    return layout.write(THOUGHTS[OTHER[question.language]], question.gold)


def other_language_own_answer(question: Question, layout: Layout) -> str | None:
    """Wrong language, padded in the answer."""
    padding = CONCLUSIONS[question.language] * 20
    return layout.write(THOUGHTS[OTHER[question.language]], f"{question.gold} {padding}")


def other_language_own_code(question: Question, layout: Layout) -> str | None:
    """Wrong language, padded in code."""
    code = f"\n```\n{THOUGHTS[question.language]}\n```\n"
    return layout.write(THOUGHTS[OTHER[question.language]] + code, question.gold)


def mostly_other_language(question: Question, layout: Layout) -> str | None:
    """One sentence in the right language."""
    first = SENTENCES[question.language]
    return layout.write(first + THOUGHTS[OTHER[question.language]] * 2, question.gold)


def third_language(question: Question, layout: Layout) -> str | None:
    """The thought in a third script."""
    return layout.write("Сначала читаю условие, потом считаю шаг за шагом.", question.gold)


def no_words(question: Question, layout: Layout) -> str | None:
    """A thought of digits and signs alone."""
    return layout.write("3 + 4 = 7, 7 * 2 = 14.", question.gold)


def short(question: Question, layout: Layout) -> str | None:
    """Right: a thought of a few sentences."""
    return layout.write(THOUGHTS[question.language], question.gold)


def far_too_long(question: Question, layout: Layout) -> str | None:
    """A thought of a hundred thousand tokens."""
    return layout.write(THOUGHTS[question.language] * _MANY_THOUGHTS, question.gold)


def prose(question: Question, layout: Layout) -> str | None:
    """Right: no sentence comes twice."""
    return layout.write(THOUGHTS[question.language], question.gold)


def looped_sentence(question: Question, layout: Layout) -> str | None:
    """One sentence over and over."""
    return layout.write(f"{SENTENCES[question.language]} " * _MANY_SENTENCES, question.gold)


def looped_after_prose(question: Question, layout: Layout) -> str | None:
    """A thought that ends in a loop."""
    loop = f" {SENTENCES[question.language]}" * _MANY_SENTENCES
    return layout.write(THOUGHTS[question.language] + loop, question.gold)


def looped_word(question: Question, layout: Layout) -> str | None:
    """One word over and over."""
    word = {"en": "wait ", "zh": "等等"}[question.language]
    return layout.write(word * _MANY_WORDS, question.gold)


def looped_in_capitals(question: Question, layout: Layout) -> str | None:
    """The same, every other one in capitals."""
    sentence = SENTENCES[question.language]
    return layout.write(f"{sentence} {sentence.upper()} " * _MANY_SENTENCES, question.gold)


def looped_answer(question: Question, layout: Layout) -> str | None:
    """A loop after the answer."""
    loop = f" {CONCLUSIONS[question.language]}" * _MANY_SENTENCES
    return layout.write(THOUGHTS[question.language], question.gold) + loop
