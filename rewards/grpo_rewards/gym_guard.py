"""What an answer must be before a reasoning-gym scorer sees it: nothing that runs, no known cheat.

Some scorers (reasoning-gym 0.1.25) hand the answer to `eval`, some to sympy, which evaluates names
and calls too; three pay for what is no answer. A test reads the installed scorers for new ones.
"""

import ast
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from grpo_rewards.bounds import refusal

_EVALUATED = {
    "bitwise_arithmetic": "problem",
    "intermediate_integration": "integrand",
    "simple_integration": "integrand",
}
"""What of the metadata is evaluated besides the answers; a row may come from anybody's file."""

_FUNCTION = re.compile(r"a?(?:sin|cos|tan)h?|sec|csc|cot|exp|log|ln|sqrt|pi|Integral|[A-Za-z]")
_BITS = re.compile(r"[\s0-9a-fx+\-*/()&|^~<>]*", re.IGNORECASE | re.ASCII)
_FORMULA = re.compile(r"(?:[\s\w+\-*/^(),]|(?<=\d)\.(?!\.)|\.(?=\d))*", re.ASCII)
_COIN_TOLERANCE = Fraction(1, 10_000)


def is_harmless(task: str, answer: str, entry: Mapping[str, Any]) -> bool:
    """Whether what the task's scorer would evaluate is only data or a formula."""
    check = CHECKS.get(task)
    told = (answer, entry["answer"], entry["metadata"].get(_EVALUATED.get(task, "")))
    return check is None or all(check(str(text)) for text in told if text is not None)


def is_real(task: str, answer: str, entry: Mapping[str, Any]) -> bool:
    """Whether an answer is none of those that the task's scorer pays by oversight.

    | task                 | what its scorer pays in full                                 |
    | -------------------- | ------------------------------------------------------------ |
    | coin_flip            | 0 for every probability, the first digit being right         |
    | game_of_life_halting | any text at all                                              |
    | puzzle24             | four other numbers that make 24, or that make 24.9           |
    """
    check = _HOLES.get(task)
    return check is None or check(answer, entry)


def _is_data(text: str) -> bool:
    """Whether `eval` would find a literal or a bare name in `text`, or no Python at all."""
    try:
        tree = ast.parse(text.lstrip(" \t"), mode="eval")
    except SyntaxError:
        return True
    except (ValueError, RecursionError, MemoryError):
        return False
    if isinstance(tree.body, ast.Name):
        return True
    try:
        ast.literal_eval(tree)
    except (ValueError, TypeError, RecursionError, MemoryError):
        return False
    return True


def _is_formula(text: str) -> bool:
    names = re.findall(r"[^\W\d]\w*", text)
    is_known = all(_FUNCTION.fullmatch(name) for name in names)
    return is_known and _FORMULA.fullmatch(text) is not None and refusal(text) is None


def _is_bits(text: str) -> bool:
    return _BITS.fullmatch(text) is not None


def _is_near(answer: str, entry: Mapping[str, Any]) -> bool:
    return abs(Fraction(answer) - Fraction(entry["answer"])) <= _COIN_TOLERANCE


def _is_same(answer: str, entry: Mapping[str, Any]) -> bool:
    return answer.casefold() == entry["answer"].casefold()


def _is_exactly_24(answer: str, entry: Mapping[str, Any]) -> bool:
    from sympy import parse_expr  # only here, in a worker, and only for a formula

    used = sorted(int(digits) for digits in re.findall(r"\d+", answer))
    return used == sorted(entry["metadata"]["numbers"]) and parse_expr(answer) == 24


_HOLES: dict[str, Callable[[str, Mapping[str, Any]], bool]] = {
    "coin_flip": _is_near,
    "game_of_life_halting": _is_same,
    "puzzle24": _is_exactly_24,
}

CHECKS: dict[str, Callable[[str], bool]] = {
    "binary_matrix": _is_data,
    "bitwise_arithmetic": _is_bits,
    "countdown": _is_formula,
    "intermediate_integration": _is_formula,
    "n_queens": _is_data,
    "number_sorting": _is_data,
    "polynomial_multiplication": _is_formula,
    "puzzle24": _is_formula,
    "simple_integration": _is_formula,
    "spiral_matrix": _is_data,
    "string_insertion": _is_data,
}
"""The tasks whose scorers evaluate, and what they may be given."""
