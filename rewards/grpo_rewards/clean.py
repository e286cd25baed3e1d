"""An answer without its dress: one spelling for texts that say the same thing the same way.

Only spellings are undone here, never mathematics, and never a character that carries value:
10² is not 102, 3½ is not 31/2, and two numbers side by side do not grow together.
"""

import re
import unicodedata
from functools import lru_cache

from grpo_rewards.phrases import without_phrase

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_SIGNS = str.maketrans({
    "\u2212": "-", "\u2010": "-", "\u2011": "-", "\u2013": "-", "\u2044": "/", "\u2236": ":",
    "×": r"\times ", "÷": r"\div ", "·": r"\cdot ", "⋅": r"\cdot ", "±": r"\pm ",
    "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "∈": r"\in ", "∪": r"\cup ",
    "∞": r"\infty ", "∅": r"\emptyset ", "π": r"\pi ", "θ": r"\theta ", "°": r"^\circ ",
    "√": r"\sqrt ",
})  # fmt: skip
_ASCII_SIGNS = {"<=": r"\le ", ">=": r"\ge ", "!=": r"\ne ", "**": "^"}
_ASCII_SIGN = re.compile(r"<=|>=|!=|(?<=[\w)}\]])\s*\*\*\s*(?=[\w({\\+-])")
_DOUBLED = re.compile(r"\\\\(?=[A-Za-z])")
_END_TOKENS = re.compile(r"(?:<\|[^|<>]{1,40}\|>\s*)+$")
_THOUSANDS = re.compile(r"(?<=\d)\s*(?:,\s*\\!|\{\s*,\s*\})\s*(?=\d{3}(?!\d))")
_COMMA = re.compile(r",\s*\\!\s*|\s*\{\s*,\s*\}\s*")
_PHANTOM = re.compile(r"\\[hv]?phantom\s*(?:\{[^{}]*\}|[^\\{}])")
_SPACING = re.compile(r"(?<!\\)(?:\\[,;:> ]|\\q?quad(?![a-z])|~)")
_SIZE = re.compile(r"\\(?:left|right|[bB]igg?[lr]?|displaystyle)(?![A-Za-z])")
_DELIMITER = re.compile(r"(?<!\\)\\[()\[\]]")
_DOLLARS = re.compile(r"(?<!\\)(\$\$?)([^$]*)(?<!\\)\1")
_BOLD = re.compile(r"(?<![\w)}\]])\*\*([^*]+)\*\*(?![\w({\\])")
_TEXT = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox)\s*\{([^{}]*)\}")
_LOOSE_SPACE = re.compile(r"(?<![A-Za-z0-9])\s+|\s+(?![A-Za-z0-9])|(?<=\d)\s+(?=[A-Za-z])")
_LONE_BRACES = re.compile(r"([\^_])\{([0-9A-Za-z])\}(?![0-9A-Za-z])")
_STOPS = (".", "。", ",", ";")

_FRACTION = re.compile(r"\\[dtc]?frac(?![A-Za-z])\s*")
_BARE_ABOVE = re.compile(r"\\frac([0-9A-Za-z]|\\[a-z]+)\s*(?=[0-9A-Za-z{\\])")
_BARE_BELOW = re.compile(r"\\frac(\{(?:[^{}]|\{[^{}]*\})*\})\s*([0-9A-Za-z]|\\[a-z]+)")
_ROOT = re.compile(
    r"(?:\\|(?<![A-Za-z\\]))sqrt\s*"
    r"(?:\(([^()]*)\)|([0-9]+(?:\.[0-9]+)?|[A-Za-z])(?![0-9])|(?=[{\[]))"
)
_FUNCTION = re.compile(r"(?<![A-Za-z\\])(sin|cos|tan|cot|log|ln)(?![A-Za-z])")
_PI = re.compile(r"(?<![A-Za-z\\])pi(?![A-Za-z])")
_PLAIN = re.compile(r"-?\d+(?:\.\d+)?|[A-Z]")


@lru_cache(maxsize=8192)
def clean(text: str) -> str:
    """The answer without Unicode variants, math delimiters, bold, "the answer is", a full stop;
    fractions and roots with braces."""
    text = text.strip()
    if text.isascii() and _PLAIN.fullmatch(text):
        return text
    text = _END_TOKENS.sub("", _one_alphabet(text)).rstrip("\\ \n")
    text = text if "\\begin" in text else _DOUBLED.sub(r"\\", text)
    text = _COMMA.sub(",", _THOUSANDS.sub("", _PHANTOM.sub("", text))).replace("\\!", "")
    text = _SPACING.sub(" ", text)
    text = _DOLLARS.sub(r"\2", _DELIMITER.sub(" ", _SIZE.sub("", text)))
    text = without_phrase(_BOLD.sub(r"\1", text).strip())
    bare = text[:-1].rstrip() if text.endswith(_STOPS) else text
    return _one_notation(bare or text)


def squeezed(text: str) -> str:
    """A cleaned text for comparing as a string: without spaces and braces of no meaning."""
    if " " in text:
        text = " ".join(_LOOSE_SPACE.sub("", text).split())
    return _LONE_BRACES.sub(r"\1\2", text) if "{" in text else text


def untexted(text: str) -> str:
    """`text` with the content of `\\text{}` and its kind in place of the command."""
    return _TEXT.sub(r" \1 ", text).strip() if "\\" in text else text


def _one_notation(text: str) -> str:
    """Fractions and roots with braces round what they take, one sign for each relation."""
    text = _ASCII_SIGN.sub(lambda sign: _ASCII_SIGNS[sign[0].strip()], text)
    if "frac" in text:
        text = _FRACTION.sub(r"\\frac", text)
        text = _BARE_BELOW.sub(r"\\frac\1{\2}", _BARE_ABOVE.sub(r"\\frac{\1}", text))
    if "sqrt" in text:
        text = _ROOT.sub(_root, text)
    text = _FUNCTION.sub(r"\\\1 ", text).replace("\\varnothing", "\\emptyset")
    return _PI.sub(r"\\pi", text)


def _root(found: re.Match[str]) -> str:
    inside = found[1] or found[2]
    return rf"\sqrt{{{inside}}}" if inside else "\\sqrt"


def _one_alphabet(text: str) -> str:
    """NFKC, with what NFKC would make another value spelt out first, and no invisible marks."""
    if text.isascii():
        return text
    text = re.sub(r"[⁰¹²³⁴-⁹⁺⁻]+", lambda m: f"^{{{m[0].translate(_SUPERSCRIPTS)}}}", text)
    text = re.sub(r"[₀-₉]+", lambda m: f"_{{{m[0].translate(_SUBSCRIPTS)}}}", text)
    text = re.sub(r"(?<=\d)(?=[¼-¾⅐-⅞])", " ", text)
    text = unicodedata.normalize("NFKC", text).translate(_SIGNS)
    return "".join(char for char in text if unicodedata.category(char) != "Cf")
