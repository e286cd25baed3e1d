"""The value of an expression at one point, to tell in microseconds that two of them differ.

Letters get fixed values, so expressions with different values are different whatever the letters
mean; that two have one value proves nothing here and is left to sympy. Whatever this small grammar
does not surely read the way sympy's parser does (functions, 1/2x, a number beside a fraction) has
no value.
"""

import cmath
import math
import re
from functools import lru_cache

NEAR = 1e-5
"""Relative distance below which floating point and rounding leave it open."""

_TOKEN = re.compile(r"\d+(?:\.\d+)?|\.\d+|\\[A-Za-z]+|[A-Za-z]|[-+*/^(){}\[\]]")
_MULTIPLY = frozenset(("*", "\\cdot", "\\times"))
_GREEK = re.compile(r"\\(?:alpha|beta|gamma|delta|theta|lambda|mu|omega|phi|rho|sigma|tau)")
_CONSTANTS = {"\\pi": math.pi, "e": math.e, "i": 1j}
_CANCELLED = 1e-7
_LARGEST = 1e200


class _Unread(Exception):
    """The text is beyond the grammar, or its value beyond floating point."""


@lru_cache(maxsize=8192)
def probe(text: str) -> complex | None:
    """The value of `text` with its letters at their points; None where it has none for sure."""
    try:
        value = _Reader(_tokens(text)).whole()
    except (_Unread, ArithmeticError, RecursionError):
        return None
    return value if abs(value) < _LARGEST else None


def far_apart(first: complex, second: complex) -> bool:
    """Whether two values differ by more than rounding could make them."""
    return abs(first - second) > NEAR * max(abs(first), abs(second))


def has_letters(text: str) -> bool:
    """Whether a text with a value has letters in it that are no constants."""
    return any(_is_letter(token) and token not in _CONSTANTS for token in _TOKEN.findall(text))


class _Reader:
    """A recursive descent over the tokens: sums of products of powers."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = [*tokens, ""]
        self._at = 0

    def whole(self) -> complex:
        value = self._sum()
        if self._next:
            raise _Unread
        return value

    @property
    def _next(self) -> str:
        return self._tokens[self._at]

    def _take(self, token: str | None = None) -> str:
        taken = self._next
        if not taken or token not in (None, taken):
            raise _Unread
        self._at += 1
        return taken

    def _sum(self) -> complex:
        value = self._product()
        while self._next in ("+", "-"):
            sign = 1 if self._take() == "+" else -1
            term = self._product()
            total = value + sign * term
            if abs(total) < _CANCELLED * abs(term):
                raise _Unread  # little but floating point's own error is left
            value = total
        return value

    def _product(self) -> complex:
        value, divided = self._signed(), False
        while True:
            if self._next in _MULTIPLY:
                self._take()
                value *= self._signed()
            elif self._next in ("/", "\\div"):
                self._take()
                value, divided = value / self._signed(), True
            elif not self._begins_factor():
                return value
            elif divided:
                raise _Unread  # 1/2x
            else:
                value *= self._power()

    def _begins_factor(self) -> bool:
        token = self._next
        if token[:1].isdigit() or token[:1] == ".":
            raise _Unread  # two numbers side by side
        return token in ("(", "{", "[", "\\frac", "\\sqrt") or _is_letter(token)

    def _signed(self) -> complex:
        if self._next in ("+", "-"):
            return self._signed() if self._take() == "+" else -self._signed()
        return self._power()

    def _power(self) -> complex:
        base = self._atom()
        if self._next != "^":
            return base
        self._take()
        exponent = self._signed_atom()
        if self._next == "^":
            raise _Unread
        return _raised(base, exponent)

    def _signed_atom(self) -> complex:
        if self._next in ("+", "-"):
            return self._atom() if self._take() == "+" else -self._atom()
        return self._atom()

    def _atom(self) -> complex:
        token = self._take()
        if token in ("(", "{", "["):
            value = self._sum()
            self._take({"(": ")", "{": "}", "[": "]"}[token])
            return value
        if token == "\\frac":
            above = self._group()
            return above / self._group()
        if token == "\\sqrt":
            return self._root()
        if _is_letter(token):
            return _point(token)
        if token[0].isdigit() or token[0] == ".":
            return self._number(token)
        raise _Unread

    def _number(self, token: str) -> complex:
        above = self._tokens[self._at + 2 : self._at + 3]
        if self._next == "\\frac" and "".join(above).isdigit():
            raise _Unread  # 3\frac{1}{2}: a product or a mixed number
        return complex(float(token))

    def _group(self) -> complex:
        self._take("{")
        value = self._sum()
        self._take("}")
        return value

    def _root(self) -> complex:
        if self._next != "[":
            return cmath.sqrt(self._group())
        self._take()
        degree = self._sum()
        self._take("]")
        return _raised(self._group(), 1 / degree)


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            if not text[at].isspace():
                raise _Unread
            at += 1
            continue
        tokens.append(found[0])
        at = found.end()
    return tokens


def _is_letter(token: str) -> bool:
    is_symbol = token in _CONSTANTS or _GREEK.fullmatch(token) is not None
    return is_symbol or (len(token) == 1 and token.isalpha())


def _point(letter: str) -> complex:
    """A positive number of its own for each letter, unlike any that answers are made of."""
    spread = sum(ord(char) for char in letter) * 0.6180339887498949
    return complex(_CONSTANTS.get(letter, 1 + spread % 1))


def _raised(base: complex, exponent: complex) -> complex:
    if exponent.imag or (exponent.real != int(exponent.real) and (base.imag or base.real < 0)):
        raise _Unread  # a choice of branch
    return base**exponent.real
