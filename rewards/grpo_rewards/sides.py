"""What an answer comes to where it says more than that: the 7 of `3 + 4 = 7`, of `x = 7`, of
`x \\approx 7`, of `x \\in [0, 7]`.

Only sums without letters and names may stand before; `2x = 14` is left as the equation it is.
"""

import re
from dataclasses import dataclass

_RELATION = re.compile(r"[;<>&]|\\(?:le|ge|ne|lt|gt)(?:q|slant)*(?![a-z])")
_COMMA = re.compile(r",(?!\d{3})")
_APPROX = re.compile(r"\\(?:approx|simeq|doteq)(?:eq)?(?![a-z])")
_MEMBER = re.compile(r"\s*([A-Za-z])\s*\\in(?![a-z])\s*")
_EQUALS = re.compile(r"\s*=\s*")
_COMMAND = re.compile(r"\\(?:times|cdot|div|[dt]?binom|choose|sqrt|frac)(?![a-z])|\\\$")
_LETTER = re.compile(r"[A-Za-z\\\u4e00-\u9fff]")
_NAME = re.compile(
    r"(?=.{0,40}$)[^\d+\-*/^,;<>&=]*[A-Za-z\u4e00-\u9fff][^\d+\-*/^,;<>&=]*"
    r"(?:\{?\d{1,3}\}?|\(\d{1,3}\))?[^\d+\-*/^,;<>&=]*|\([A-Za-z](?:\s*,\s*[A-Za-z])*\)",
    re.DOTALL,
)
_SYMBOL = re.compile(r"(?:[A-Za-z]|\\[a-z]+)(?:_\{?\w{1,3}\}?)?")


@dataclass(frozen=True)
class Side:
    """The last side of an answer, and the symbol it is the value of where it has one.

    >>> Side("7", "x")   # "x = 7"
    """

    text: str
    symbol: str | None = None


def last_side(text: str) -> Side:
    """The side that is the answer; the whole text where that is for algebra to say."""
    rounded = _APPROX.split(text, maxsplit=1)
    if len(rounded) == 2 and not _COMMA.search(text) and not _RELATION.search(text):
        exact = rounded[0].strip()
        text = rounded[1].strip() if not exact or _is_name(exact) else exact
    if "=" not in text:
        member = _MEMBER.match(text)
        return Side(text[member.end() :], member[1]) if member else Side(text)
    *before, last = _EQUALS.split(text.strip())
    if _RELATION.search(text) or not last or not all(map(_may_come_before, before)):
        return Side(text)
    if _COMMA.search(last) and (len(before) > 1 or not _is_name(before[0])):
        return Side(text)
    return Side(last, before[0] if _SYMBOL.fullmatch(before[0]) else None)


def _may_come_before(text: str) -> bool:
    """Whether it is a name, or has numbers and signs only."""
    is_sum = _LETTER.search(_COMMAND.sub("", text)) is None and _COMMA.search(text) is None
    return is_sum or _is_name(text)


def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None and _COMMAND.search(text) is None
