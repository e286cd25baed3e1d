"""Hostile completions: what costs a judge its time, its memory or its nerve.

None of them is an answer. A reward has to come to a value on each, in time and without an error;
one that judges answers has to refuse them too.
"""

from grpo_rewards.audit.cases import Question
from grpo_rewards.audit.layouts import Layout
from grpo_rewards.audit.texts import THOUGHTS

_MEGABYTE, _DEEP, _MANY = 1_000_000, 10_000, 20_000


def power_tower(question: Question, layout: Layout) -> str | None:
    """A tower of powers."""
    return _answer(question, layout, r"\boxed{2^{2^{36}}}")


def python_power(question: Question, layout: Layout) -> str | None:
    """A tower of powers in Python."""
    return _answer(question, layout, "9**9**9**9")


def factorial(question: Question, layout: Layout) -> str | None:
    """The factorial of a large number."""
    return _answer(question, layout, r"\boxed{99999999!}")


def factorials(question: Question, layout: Layout) -> str | None:
    """A factorial of factorials."""
    return _answer(question, layout, r"\boxed{((12!)!)!}")


def binomial(question: Question, layout: Layout) -> str | None:
    """A giant binomial coefficient."""
    return _answer(question, layout, r"\boxed{\binom{100000000}{50000000}}")


def long_sum(question: Question, layout: Layout) -> str | None:
    """A sum of ten billion terms."""
    return _answer(question, layout, r"\boxed{\sum_{n=1}^{10000000000} \frac{1}{n^n}}")


def exponent(question: Question, layout: Layout) -> str | None:
    """A number with a giant exponent."""
    return _answer(question, layout, "1e999999999")


def many_digits(question: Question, layout: Layout) -> str | None:
    """A number of a million digits."""
    return _answer(question, layout, "7" * _MEGABYTE)


def brackets(question: Question, layout: Layout) -> str | None:
    """A megabyte of brackets."""
    return _answer(question, layout, "(" * _MEGABYTE)


def nested_braces(question: Question, layout: Layout) -> str | None:
    """Ten thousand nested braces."""
    return _answer(question, layout, r"\boxed{" + "{" * _DEEP + "1" + "}" * _DEEP + "}")


def nested_fractions(question: Question, layout: Layout) -> str | None:
    """Hundreds of nested fractions."""
    return _answer(question, layout, r"\boxed{" + r"\frac{1}{1+" * 400 + "1" + "}" * 401)


def many_boxes(question: Question, layout: Layout) -> str | None:
    """Thousands of boxes, never closed."""
    return _answer(question, layout, r"\boxed{" * _MANY)


def many_tags(question: Question, layout: Layout) -> str | None:
    """Thousands of tags, never closed."""
    return "<think>" * _MANY + "<answer>" * _MANY


def spaces(question: Question, layout: Layout) -> str | None:
    """A megabyte of spaces."""
    return layout.thought(" " * _MEGABYTE) + layout.answer(" ")


def one_letter(question: Question, layout: Layout) -> str | None:
    """A megabyte of one letter."""
    return layout.write("a" * _MEGABYTE, "a" * _DEEP + "!")


def nul_bytes(question: Question, layout: Layout) -> str | None:
    """NUL characters."""
    return _answer(question, layout, "\x00" * 100)


def right_to_left(question: Question, layout: Layout) -> str | None:
    """Marks that turn the way of writing."""
    return _answer(question, layout, "\u202e\u2066\u200f" * 100)


def half_characters(question: Question, layout: Layout) -> str | None:
    """Halves of characters."""
    return _answer(question, layout, "\ud800\udfff\ud83d")


def python_code(question: Question, layout: Layout) -> str | None:
    """Python that ends who evaluates it."""
    return _answer(question, layout, "__import__('os')._exit(3)")


def sympy_code(question: Question, layout: Layout) -> str | None:
    """Python by way of sympy's names."""
    return _answer(question, layout, "Symbol('x').__class__.__mro__[-1].__subclasses__()")


def division_by_zero(question: Question, layout: Layout) -> str | None:
    """A division by zero."""
    return _answer(question, layout, r"\boxed{\frac{1}{0}}")


def _answer(question: Question, layout: Layout, answer: str) -> str:
    return layout.write(THOUGHTS[question.language], answer)
