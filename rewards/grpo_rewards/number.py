"""The exact number an answer states outright, and whether it is arithmetic left to do instead.

Units are dropped, not compared: a question fixes its unit. Words that change a value ("million",
"dozen") or offer a second answer ("or") are never taken for units. Anything that needs algebra is
no number here.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from grpo_rewards.clean import clean, untexted, without_currency

_INTEGER = r"(?:\d{1,3}(?:,\d{3})+|\d{1,3}(?: \d{3})+|\d{1,60})"
_EXPONENT = r"(?:\{([-+]?\d{1,2})\}|([-+]?\d{1,2}))"
_POWER_OF_TEN = rf"(?:(?:\s*(?:\\times|\\cdot|\u00d7|\*)\s*10\s*\^\s*|[eE]){_EXPONENT})"
_DECIMAL = re.compile(rf"({_INTEGER})?(\.\d{{0,60}})?{_POWER_OF_TEN}?")
_INLINE_FRACTION = re.compile(r"(?:(\d{1,20})\s+)?(\d{1,20})\s*/\s*(\d{1,20})")
_PART = r"\s*(?:\{\s*(-?\d{1,20})\s*\}|(\d))"
_LATEX_FRACTION = re.compile(rf"(\d{{1,20}})?\s*\\[dt]?frac{_PART}{_PART}")
_PERCENT = re.compile(r"\s*(?:\\?%|percent(?:age)?|pct)$", re.IGNORECASE)
_DEGREE = re.compile(r"\s*(?:\^\s*(?:\\circ|\{\s*\\circ\s*\})|\\degree|°[CF]?)$")

_NOT_UNIT = re.compile(
    r"or|and|not|nor|to|is|if|mod|plus|minus|times|over|by|half|dozen|hundred|thousand|million"
    r"|billion|trillion|pi|sqrt|sin|cos|tan|cot|sec|csc|log|ln|exp|inf|infinity|base",
    re.IGNORECASE,
)
_ONE_LETTER_UNITS = frozenset("mgshlL")
_UNIT = re.compile(
    r"(?<=[\d}])\s+([A-Za-z][A-Za-z.]*(?:[ /][A-Za-z][A-Za-z.]*){0,2})(?:\s*\^\s*\{?[23]\}?)?$"
)
_GLUED_UNIT = re.compile(
    r"(?<=\d)(?:[cmk]m|[mk]?g|m[lL]|ft|hrs?|mins?|lbs?|oz|mph|km/h|m/s)(?:\^\{?[23]\}?)?$"
)
_CJK_UNIT = re.compile(r"(?<=\d)\s*[\u4e00-\u9fff]{1,3}$")
_CJK_NOT_UNITS = frozenset("十百千万亿兆半倍分之点或和到至负又")

_COMMAND = re.compile(r"\\(?:times|cdot|div|[dt]?binom|choose|sqrt|[dt]?frac)(?![a-z])")
_NAME = re.compile(r"\s*(?:\\?[A-Za-z][\w ]*(?:_\{\w+\})?|[\w ]*[\u4e00-\u9fff])\s*")
_RELATION = re.compile(r",(?!\d{3})|[;<>≤≥≠!]|\\(?:le|ge|ne|lt|gt)(?:q|slant)*(?![a-z])")
_OPERATION = re.compile(
    r"[\d)\]}!%]\s*[-+*/^\u00d7·÷!]|\\(?:times|cdot|div|[dt]?binom|choose|sqrt)"
)
_ARITHMETIC = re.compile(r"[\s\d.,()\[\]{}+\-*/^\u00d7·÷!%]+")
_SIDE_BY_SIDE = re.compile(r"\d\s+[\d.]")


@dataclass(frozen=True)
class Number:
    """An exact number and how it was written: as a percentage, with a point (so perhaps rounded),
    as a quotient `a/b`.

    >>> Number(Fraction(1, 4), percent=False, decimal=True, quotient=False)   # "0.25"
    """

    value: Fraction
    percent: bool = False
    decimal: bool = False
    quotient: bool = False


@lru_cache(maxsize=8192)
def number(text: str) -> Number | None:
    """The number `text` states outright, units, currency and `x =` aside; None for all else."""
    text = without_currency(untexted(last_side(clean(text))))
    text = _without_unit(_DEGREE.sub("", text))
    bare = _PERCENT.sub("", text)
    percent, bare = bare != text, bare.strip()
    sign = -1 if bare.startswith("-") else 1
    bare = without_currency(bare[1:].lstrip() if bare.startswith(("-", "+")) else bare)
    found = _decimal(bare) or _inline_fraction(bare) or _latex_fraction(bare)
    return Number(sign * found.value, percent, found.decimal, found.quotient) if found else None


def is_undone(text: str) -> bool:
    """Whether `text` is arithmetic left to do (`3+4`, `2^{10}`, `5!`) and not a number."""
    text = last_side(clean(text))
    arithmetic = _ARITHMETIC.fullmatch(_COMMAND.sub(" ", text)) and _OPERATION.search(text)
    return bool(arithmetic) and number(text) is None


def is_side_by_side(text: str) -> bool:
    """Whether two numbers stand side by side, which parsers add, multiply or join at will."""
    text = untexted(clean(text))
    return "frac" not in text and bool(_SIDE_BY_SIDE.search(text)) and number(text) is None


def last_side(text: str) -> str:
    """What follows the last `=`, where all before it is a name or sums without letters."""
    if "=" not in text or _RELATION.search(text):
        return text
    *before, last = text.split("=")
    return last.strip() if all(_NAME.fullmatch(side) or _is_sum(side) for side in before) else text


def _is_sum(side: str) -> bool:
    return not re.search(r"[A-Za-z\\]", _COMMAND.sub("", side))


def _without_unit(text: str) -> str:
    cjk = _CJK_UNIT.search(text)
    if cjk and not _CJK_NOT_UNITS & set(cjk.group()):
        return text[: cjk.start()]
    glued = _GLUED_UNIT.search(text)
    if glued:
        return text[: glued.start()]
    unit = _UNIT.search(text)
    if unit is None or _PERCENT.search(text):
        return text
    words = [word for word in re.split(r"[ /.]+", unit[1]) if word]
    return text[: unit.start()] if all(_may_be_unit(word) for word in words) else text


def _may_be_unit(word: str) -> bool:
    return word in _ONE_LETTER_UNITS if len(word) == 1 else not _NOT_UNIT.fullmatch(word)


def _decimal(text: str) -> Number | None:
    match = _DECIMAL.fullmatch(text)
    if match is None or not (match[1] or len(match[2] or "") > 1):
        return None
    whole = re.sub(r"[ ,]", "", match[1] or "0")
    value = Fraction(whole + (match[2] or "").rstrip("."))
    return Number(value * Fraction(10) ** int(match[3] or match[4] or 0), decimal=bool(match[2]))


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
    above, below = int(match[2] or match[3]), int(match[4] or match[5])
    if below == 0 or (match[1] and (above < 0 or below < 0)):
        return None
    return Number(int(match[1] or 0) + Fraction(above, below))
