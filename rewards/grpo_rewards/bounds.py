"""Static bounds: text that cannot be a final answer, refused before any parser sees it.

These bounds save time, they do not make the parser safe: what slips through them meets the
deadline and the memory limit of the worker. So they are plain readings of the text, wide enough
to let every answer of MATH, GSM8K and AIME through (longest: 159 characters, exponent 4950).
"""

import re
import unicodedata
from functools import lru_cache

from grpo_rewards.clean import clean

MAX_CHARS = 1000
MAX_DEPTH = 20
MAX_DIGITS = 60
MAX_EXPONENT = 10_000
MAX_FACTORIAL = 5_000
MAX_BINOMIAL = 10_000

_DIGITS = re.compile(r"\d+")
_RUN_OF_DIGITS = re.compile(rf"\d{{{MAX_DIGITS + 1}}}")
_LETTER = re.compile(r"(?<![\\A-Za-z])[A-Za-z]")
_BINOMIAL = re.compile(r"\\[dt]?binom|\\choose|\\brace\b|\\brack\b")
_FACTORIAL = re.compile(r"(\d+|[)\]}])\s*(!+)")
_STARS = re.compile(r"(?<=[\w)}\]])\s*\*\*\s*(?=[\w({\\+-])")
_OPENING = {")": "(", "]": "[", "}": "{"}


def refusal(text: str) -> str | None:
    """Why `text` cannot be an answer, in a few words, or None where it may be one."""
    return _refusal(text) if len(text) <= MAX_CHARS else f"longer than {MAX_CHARS} characters"


@lru_cache(maxsize=8192)
def _refusal(text: str) -> str | None:
    reason = _characters(text)
    text = clean(text)  # as the parser will see it: no invisible marks, one form of each digit
    checks = (_nesting, _digits, _powers, _factorials, _binomials)
    return reason or next((found for check in checks if (found := check(text))), None)


def _characters(text: str) -> str | None:
    if any(unicodedata.category(char) in ("Cc", "Cs") and not char.isspace() for char in text):
        return "control characters"
    return "a double underscore" if "__" in text else None


def _nesting(text: str) -> str | None:
    depth = braces = deepest = 0
    for char in re.sub(r"\\[{}]", "", text):
        step = (char in "([{") - (char in ")]}")
        braces += step if char in "{}" else 0
        depth = max(depth + step, 0)
        deepest = max(deepest, depth)
        if braces < 0:
            return "unbalanced braces"
    if braces:
        return "unbalanced braces"
    return f"nested deeper than {MAX_DEPTH}" if deepest > MAX_DEPTH else None


def _digits(text: str) -> str | None:
    long = _RUN_OF_DIGITS.search(text)
    return f"a number of more than {MAX_DIGITS} digits" if long else None


def _powers(text: str) -> str | None:
    text = re.sub(r"\s+", "", _STARS.sub("^", text))
    for at in (match.start() for match in re.finditer(r"\^", text)):
        exponent, end = _exponent(text, at + 1)
        if text[end : end + 1] in ("^", "!"):
            return "a tower of powers"
        if not _LETTER.search(exponent) and _is_huge(exponent):
            return "a huge power"
        base = _group_before(text, at)
        if "^" in base and not _LETTER.search(base) and _largest(base) * _largest(exponent) > 1000:
            return "a tower of powers"
    return None


def _is_huge(exponent: str) -> bool:
    """Whether a numeric exponent is beyond bounds, or has itself something that grows fast."""
    small = re.fullmatch(r"-?(\d)\^(\d)", re.sub(r"[{}()]", "", exponent))
    if small:
        power: int = int(small[1]) ** int(small[2])
        return power > MAX_EXPONENT
    grows = any(sign in exponent for sign in ("^", "!", "binom", "choose"))
    return grows or _largest(exponent) > MAX_EXPONENT


def _factorials(text: str) -> str | None:
    for match in _FACTORIAL.finditer(text):
        operand = match[1]
        if operand.isdigit() and int(operand) > MAX_FACTORIAL:
            return "a huge factorial"
        group = "" if operand.isdigit() else _group_before(text, match.end(1))
        if len(match[2]) > 2 or "!" in group or "^" in group or _largest(group) > MAX_FACTORIAL:
            return "a huge factorial"
    return None


def _binomials(text: str) -> str | None:
    if _BINOMIAL.search(text) is None:
        return None
    grows = "!" in text or len(_BINOMIAL.findall(text)) > 4 or re.search(r"\d\}?\s*\^", text)
    return "a huge binomial" if grows or _largest(text) > MAX_BINOMIAL else None


def _largest(text: str) -> int:
    return max((int(digits) for digits in _DIGITS.findall(text)), default=0)


def _exponent(text: str, at: int) -> tuple[str, int]:
    """The exponent that begins at `at` and where it ends: a group, a number or one token."""
    sign = 1 if text[at : at + 1] in ("-", "+") else 0
    if text[at + sign : at + sign + 1] in ("{", "("):
        end = _group_end(text, at + sign)
        return text[at:end], end
    token = re.compile(r"\d+|\\[A-Za-z]+|.|$").match(text, at + sign)
    end = token.end() if token else at
    return text[at:end], end


def _group_end(text: str, start: int) -> int:
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] in "([{") - (text[at] in ")]}")
        if depth == 0:
            return at + 1
    return len(text)


def _group_before(text: str, end: int) -> str:
    """The bracketed group that ends just before `end`, or nothing where none does."""
    if text[end - 1 : end] not in _OPENING:
        return ""
    depth = 0
    for at in range(end - 1, -1, -1):
        depth += (text[at] in ")]}") - (text[at] in "([{")
        if depth == 0:
            return text[at:end]
    return text[:end]
