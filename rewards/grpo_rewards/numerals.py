"""Chinese numerals in Arabic digits: 三百二十一 is 321, 三分之二 is 2/3, 百分之十 is 10%.

It reads the numeral a text begins with; whether what follows may follow (a measure word) is for
`grpo_rewards.units`. What only says about how many (十几, 三五个) is no numeral.
"""

import re
from fractions import Fraction

_SPELT = ("零〇○", "一壹", "二两贰兩", "三叁", "四肆", "五伍", "六陆", "七柒", "八捌", "九玖")
_PLAIN = str.maketrans(
    {char: str(value) for value, chars in enumerate(_SPELT) for char in chars}
    | dict(zip("拾佰仟萬億負", "十百千万亿负", strict=True))
)
_SCALES = {"亿": 10**8, "万": 10**4, "千": 1000, "百": 100, "十": 10}
_MAX_CHARS = 30

_CHAR = r"(?:[\d十百万亿]|千(?!克|米|瓦|卡|焦|赫|帕))"  # 五千克 is five kilograms
_VALUE = rf"{_CHAR}++(?:[.点]\d+[万亿]?)?"
_NUMERAL = re.compile(
    rf"(负?)(?:(1半)|(?:({_CHAR}++)又)?({_CHAR}++)分之({_VALUE})|({_VALUE}))(?![几多余来数半])"
)
_ANY, _ABOVE_ZERO = "".join(_SPELT), "".join(_SPELT[1:])
_ABOUT = re.compile(f"(?<![{_ANY}点])[{_ABOVE_ZERO}]{{2}}(?![{_ANY}])")  # 三五: three to five


def arabic(text: str) -> tuple[str, str] | None:
    """The numeral `text` begins with, in Arabic digits, and the rest of the text; else None.

    >>> arabic("三百二十一元")
    ('321', '元')
    """
    plain = text.translate(_PLAIN)
    found = _NUMERAL.match(plain)
    if found is None or text[: found.end()].isascii() or found.end() > _MAX_CHARS:
        return None
    if _ABOUT.search(text, 0, found.end()):
        return None
    sign, half, whole, below, above, value = found.groups()
    spelt = "1/2" if half else _fraction(whole, below, above) if below else _spelt(_value(value))
    return None if spelt is None else (sign.replace("负", "-") + spelt, text[found.end() :])


def _fraction(whole: str | None, below: str, above: str) -> str | None:
    added = _value(whole or "0")
    divisor, dividend = (_SCALES.get(one) or _value(one) for one in (below, above))
    if added is None or dividend is None or not divisor:
        return None
    if divisor == 100 and not added:
        return f"{_spelt(Fraction(dividend))}%"
    value = Fraction(added + dividend / divisor)
    return f"{value.numerator}/{value.denominator}"


def _value(text: str) -> Fraction | None:
    """A numeral with at most one point, as in 三点五 and 3.5万."""
    whole, point, decimals = text.replace("点", ".").partition(".")
    scale = _SCALES.get(decimals[-1:], 1)
    number = _integer(whole)
    if number is None:
        return None
    return scale * Fraction(f"{number}{point}{decimals.rstrip('万亿')}")


def _integer(text: str) -> int | None:
    """3百2十1 is 321, 1百零5 is 105, 1万5 is 15000 as it is spoken."""
    if text.isdigit():
        return int(text)
    for name, scale in _SCALES.items():
        head, found, tail = text.partition(name) if scale < 10**4 else text.rpartition(name)
        if found:
            count = 1 if name == "十" and not head.strip("0") else _integer(head)
            rest = _tail(tail, scale)
            most = 10**8 if scale >= 10**4 else 10
            return count * scale + rest if count and count < most and rest is not None else None
    return None


def _tail(text: str, scale: int) -> int | None:
    """What stands behind a scale: a single digit there is short for that many tenths of it."""
    if len(text) == 1 and text.isdigit() and scale >= 100:
        return int(text) * scale // 10
    rest = _integer(text) if text else 0
    return rest if rest is not None and rest < scale else None


def _spelt(value: Fraction | None) -> str | None:
    """A decimal fraction in digits."""
    if value is None:
        return None
    if value.denominator == 1:
        return str(value.numerator)
    return f"{float(value):.10f}".rstrip("0")
