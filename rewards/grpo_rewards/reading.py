"""An answer as it is read before it is judged: its last side, its unit, its number, its words.

Everything is worked out from the text alone and remembered, so that one reference costs its group
one reading.
"""

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from grpo_rewards.clean import clean, squeezed, untexted
from grpo_rewards.number import Number, number
from grpo_rewards.numerals import arabic
from grpo_rewards.shapes import parts
from grpo_rewards.sides import last_side
from grpo_rewards.units import may_follow, split_unit

_SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_SCALE = re.compile(rf"(?<=\d)\s+({'|'.join(_SCALES)})(?![A-Za-z])")
_JOINER = re.compile(
    r"\s*,?\s+(?:and|or)\s+(?:,\s*)?|(?<=[\d})\]])\s*[和或与、及]\s*(?=[-\d\\({\[])"
)
_CJK = re.compile(r"[\u3007\u4e00-\u9fff]")
_SIDE_BY_SIDE = re.compile(r"\d\s+[\d.]")
_BRACKETED_LETTER = re.compile(r"\(\s*([A-Za-z])\s*\)")
_ARTICLE = re.compile(r"^(?:an?|the) (?=[a-z])", re.IGNORECASE)
_WORDS = re.compile(r"[^\W\d_]+(?:[ '.-]+[^\W\d_]+)*")
_LONG_WORD = re.compile(r"(?<![A-Za-z\\])[A-Za-z]{4,}|[\u4e00-\u9fff]{2,}")
_FUNCTION = re.compile(
    r"sin|cos|tan|cot|sec|csc|log|ln|exp|sqrt|arcsin|arccos|arctan|sinh|cosh|tanh|infinity"
)
_RELATION = re.compile(r"[<>=]|\\(?:le|ge|ne|lt|gt)(?:q|slant)*(?![a-z])")
_SYMBOL = re.compile(r"-?\s*(?:[A-Za-z]|\\[a-z]+)(?:_\{?\w{1,3}\}?)?")
_FREE_LETTER = re.compile(r"(?<![A-Za-z\\])[A-Za-df-z](?![A-Za-z])")


@dataclass(frozen=True)
class Reading:
    """One answer, read: `text` is its last side without unit, `canonical` that without spaces,
    `whole` all of it, `symbol` the name it gives a value to, `words` what it is if no formula.

    >>> Reading("5", "5", whole="x = 5 cm", symbol="x", unit="cm", number=Number(Fraction(5)),
    ...         words=None, is_text=False)
    """

    text: str
    canonical: str
    whole: str
    symbol: str | None
    unit: str | None
    number: Number | None
    words: str | None
    is_text: bool

    @property
    def is_side_by_side(self) -> bool:
        """Whether two numbers stand side by side, which parsers add, multiply or join at will."""
        found = self.number is None and _SIDE_BY_SIDE.search(self.text) is not None
        return found and "frac" not in self.text

    def as_equation(self) -> "Reading":
        """The reading with its name as a side of an equation again: `y = 2x`, not the 2x of it."""
        return replace(self, text=self.whole, canonical=squeezed(self.whole), symbol=None)

    @property
    def is_relation(self) -> bool:
        """Whether it is an equation or an inequality still, not the value of a name."""
        return _RELATION.search(self.text) is not None

    @property
    def is_solved(self) -> bool:
        """Whether it is a relation with a symbol alone on one side and no letter on the others."""
        sides = [side.strip() for side in _RELATION.split(self.text)]
        others = [side for side in sides if not _SYMBOL.fullmatch(side) or side == "\\infty"]
        return len(others) < len(sides) and not any(map(_FREE_LETTER.search, others))


def key(text: str) -> Fraction | str:
    """What two spellings of one answer have in common: their number, else their cleaned text."""
    reading = read(text)
    return reading.number.value if reading.number else reading.canonical


@lru_cache(maxsize=8192)
def read(text: str) -> Reading:
    """The reading of an answer, or of a reference."""
    dressed = clean(text)
    whole = _JOINER.sub(", ", _SCALE.sub(_power_of_ten, untexted(dressed)))
    side = last_side(whole)
    bare, unit = _without_unit(side.text)
    value = number(bare)
    words = None if value else _words(bare)
    is_text = "\\text" in dressed or "\\mbox" in dressed
    return Reading(bare, squeezed(bare), whole, side.symbol, unit, value, words, is_text)


def _without_unit(text: str) -> tuple[str, str | None]:
    numeral = arabic(text) if _CJK.search(text) else None
    if numeral is None or not may_follow(numeral[1].strip()):
        return split_unit(text)
    return split_unit(numeral[0] + numeral[1].strip())


def _power_of_ten(scale: re.Match[str]) -> str:
    return rf"\times 10^{{{_SCALES[scale[1]]}}}"


def _words(text: str) -> str | None:
    """The text as words where it is words, or has some among its figures; None for a formula.

    Case is folded but in single letters, where it may tell two variables apart.
    """
    bare = _ARTICLE.sub("", " ".join(text.split()), count=1)
    letter = _BRACKETED_LETTER.fullmatch(bare)
    bare = letter[1] if letter else bare
    if any(map(_FUNCTION.fullmatch, bare.split())):
        return None
    if _WORDS.fullmatch(bare):
        return bare if len(bare) == 1 else bare.casefold()
    if "\\begin" in bare or parts(bare) is not None:
        return None
    has_words = not all(map(_FUNCTION.fullmatch, _LONG_WORD.findall(bare)))
    return bare.casefold() if has_words else None
