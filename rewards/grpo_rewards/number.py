"""The exact number an answer states outright; anything with arithmetic or algebra left is none.

It reads text without unit and name (`grpo_rewards.reading` takes them off).
"""

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

_ENOUGH = 6  # figures from which a decimal may stand for what it rounds

_INTEGER = r"(?:\d{1,3}(?:,\d{3})+|\d{1,3}(?: \d{3})+|\d{1,60})"
_EXPONENT = r"(?:\{([-+]?\d{1,2})\}|([-+]?\d{1,2}))"
_POWER_OF_TEN = rf"(?:(?:\s*(?:\\times|\\cdot|\*)\s*10\s*\^\s*|[eE]){_EXPONENT})"
_DECIMAL = re.compile(rf"({_INTEGER})?(\.\d{{0,60}})?{_POWER_OF_TEN}?")
_REPEATING = re.compile(r"(\d{0,20})\.(\d{0,20})\\overline\{(\d{1,20})\}")
_INLINE_FRACTION = re.compile(r"(?:(\d{1,20})\s+)?(\d{1,20})\s*/\s*(\d{1,20})")
_PART = r"\{\s*(-?\d{1,20}(?:\.\d{1,20})?)\s*\}"
_LATEX_FRACTION = re.compile(rf"(\d{{1,20}})?\s*\\frac\s*{_PART}\s*{_PART}")
_PERCENT = re.compile(r"\s*(?:\\?%|percent(?:age)?(?: points?)?|pct)$", re.IGNORECASE)
_BRACKETS = re.compile(r"\(([^(),]*)\)|\{([^{},]*)\}|\\\{([^{},]*)\\\}")
_CAN_BEGIN = frozenset("0123456789.-+({\\")


@dataclass(frozen=True)
class Number:
    """An exact number and how it was written: as a percentage, as a quotient, or as a decimal
    of so many figures (significant digits), `places` of them behind the point.

    >>> Number(Fraction(1, 4), places=2, figures=2)   # "0.25"
    """

    value: Fraction
    percent: bool = False
    quotient: bool = False
    places: int = 0
    figures: int = 0

    @property
    def decimal(self) -> bool:
        """Whether it was written with a point."""
        return self.figures > 0

    def spelt(self) -> str:
        """The same number for a parser of LaTeX."""
        above, below = self.value.as_integer_ratio()
        return str(above) if below == 1 else rf"\frac{{{above}}}{{{below}}}"


@lru_cache(maxsize=8192)
def number(text: str) -> Number | None:
    """The number `text` states outright; None for all else."""
    if text[:1] not in _CAN_BEGIN:
        return None
    bare = _PERCENT.sub("", text)
    percent, bare = bare != text, _unbracketed(bare)
    sign = -1 if bare.startswith("-") else 1
    bare = _unbracketed(bare[1:]) if bare.startswith(("-", "+")) else bare
    found = _decimal(bare) or _inline_fraction(bare) or _latex_fraction(bare) or _repeating(bare)
    return found and replace(found, value=sign * found.value, percent=percent)


def agree(gold: Number, answer: Number) -> bool:
    """Whether two numbers are the same by policy: percent signs forgiven, and a decimal may round
    the other side from six figures on, another decimal from six places on."""
    pairs = [(gold, answer)]
    if gold.percent and not answer.percent:
        pairs.append((_hundredth(gold), answer))
    if answer.percent and not gold.percent:
        pairs.append((gold, _hundredth(answer)))
    return any(one.value == other.value or _round(one, other) for one, other in pairs)


def rounds(number: Number, value: Fraction, error: Fraction = Fraction(0)) -> bool:
    """Whether `number` is a decimal of enough figures that is `value` rounded to its places, where
    `value` itself is known up to `error`."""
    half = Fraction(1, 2) / Fraction(10) ** number.places
    return number.figures >= _ENOUGH and abs(number.value - value) <= half + error


def _round(first: Number, second: Number) -> bool:
    if first.decimal and second.decimal and min(first.places, second.places) < _ENOUGH:
        return False
    return rounds(first, second.value) or rounds(second, first.value)


def _hundredth(number: Number) -> Number:
    return replace(number, value=number.value / 100, places=number.places + 2)


def _unbracketed(text: str) -> str:
    text = text.strip()
    bracketed = _BRACKETS.fullmatch(text)
    return (bracketed[1] or bracketed[2] or bracketed[3] or "").strip() if bracketed else text


def _decimal(text: str) -> Number | None:
    match = _DECIMAL.fullmatch(text)
    if match is None or not (match[1] or len(match[2] or "") > 1):
        return None
    whole, decimals = re.sub(r"[ ,]", "", match[1] or "0"), (match[2] or "").rstrip(".")
    power = int(match[3] or match[4] or 0)
    figures = len((whole + decimals[1:]).lstrip("0")) if match[2] else 0
    value = Fraction(whole + decimals) * Fraction(10) ** power
    return Number(
        value, places=max(len(decimals) - 1, 0) - power, figures=max(figures, bool(match[2]))
    )


def _inline_fraction(text: str) -> Number | None:
    match = _INLINE_FRACTION.fullmatch(text)
    if match is None or int(match[3]) == 0:
        return None
    value = int(match[1] or 0) + Fraction(int(match[2]), int(match[3]))
    return Number(value, quotient=match[1] is None)


def _latex_fraction(text: str) -> Number | None:
    match = _LATEX_FRACTION.fullmatch(text)
    if match is None:
        return None
    above, below = Fraction(match[2]), Fraction(match[3])
    if below == 0 or (match[1] and (above < 0 or below < 0)):
        return None
    return Number(int(match[1] or 0) + above / below, quotient=match[1] is None)


def _repeating(text: str) -> Number | None:
    match = _REPEATING.fullmatch(text)
    if match is None:
        return None
    fixed, period = f"{match[1]}{match[2]}" or "0", match[3]
    value = int(fixed) + Fraction(int(period), 10 ** len(period) - 1)
    return Number(value / 10 ** len(match[2]))
