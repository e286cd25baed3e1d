"""An answer without its dress: one spelling for texts that say the same thing the same way.

Only spellings are undone here, never mathematics, and never a character that carries value:
10² is not 102, 3½ is not 31/2, and two numbers side by side do not grow together.
"""

import re
import unicodedata
from functools import lru_cache

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_SIGNS = str.maketrans({"\u2212": "-", "\u2010": "-", "\u2011": "-", "\u2013": "-", "\u2044": "/"})
_SPACING = re.compile(r"(?<!\\)(?:\\[,;:> ]|\\q?quad(?![a-z])|~)")
_DELIMITER = re.compile(r"(?<!\\)\\[()\[\]]")
_DOLLARS = re.compile(r"(?<!\\)(\$\$?)([^$]*)(?<!\\)\1")
_BOLD = re.compile(r"(?<![\w)}\]])\*\*([^*]+)\*\*(?![\w({\\])")
_PHRASE = re.compile(
    r"(?:(?:so|thus|therefore|hence),?\s+)?(?:the\s+)?(?:final\s+)?answer(?:\s*(?:is|:|=)+\s*:?\s*|\s+)"
    r"|(?:最终)?(?:答案|答)\s*(?:是|为|:|=)+\s*:?\s*",
    re.IGNORECASE,
)
_TEXT = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox)\s*\{([^{}]*)\}")
_CURRENCY = re.compile(r"^([-+]?)\s*(?:\\\$|[$€£¥])\s*|\s*(?:\\\$|[$€£¥])$")
_LOOSE_SPACE = re.compile(r"(?<![A-Za-z0-9])\s+|\s+(?![A-Za-z0-9])")
_STOPS = (".", "。", ",", ";")


@lru_cache(maxsize=8192)
def clean(text: str) -> str:
    """The answer without Unicode variants, math delimiters, bold, "the answer is", a full stop."""
    text = _one_alphabet(text)
    text = re.sub(r",\\!\s*", ",", text.rstrip("\\ \n")).replace("\\!", "").replace("{,}", ",")
    text = _SPACING.sub(" ", text)
    text = re.sub(r"\\(?:left|right)(?![a-z])", "", text)
    text = _BOLD.sub(r"\1", _DOLLARS.sub(r"\2", _DELIMITER.sub(" ", text))).strip()
    phrase = _PHRASE.match(text)
    text = text[phrase.end() :].strip() if phrase else text
    bare = text[:-1].rstrip() if text.endswith(_STOPS) else text
    return bare or text


def canonical(text: str) -> str:
    """The cleaned text for comparing as a string: without currency and spaces of no meaning."""
    text = _CURRENCY.sub(r"\1", untexted(clean(text)))
    return re.sub(r"\\[dt]frac", r"\\frac", " ".join(_LOOSE_SPACE.sub("", text).split()))


def untexted(text: str) -> str:
    """`text` with the content of `\\text{}` and its kind in place of the command."""
    return _TEXT.sub(r" \1 ", text).strip()


def without_currency(text: str) -> str:
    """`text` without one currency sign before or after it."""
    return _CURRENCY.sub(r"\1", text).strip()


def words(text: str) -> str | None:
    """The words `text` is, where it is words (or a letter, bare or in brackets) and no formula.

    Case is folded but in single letters, where it may tell two variables apart.
    """
    bare = " ".join(untexted(clean(text)).split())
    bare = bare[1:-1] if re.fullmatch(r"\([A-Za-z]\)", bare) else bare
    if not re.fullmatch(r"[^\W\d_]+(?:[ '][^\W\d_]+)*", bare):
        return None
    return bare if len(bare) == 1 else bare.casefold()


def _one_alphabet(text: str) -> str:
    """NFKC, with what NFKC would make another value spelt out first, and no invisible marks."""
    text = re.sub(r"[⁰¹²³⁴-⁹⁺⁻]+", lambda m: f"^{{{m[0].translate(_SUPERSCRIPTS)}}}", text)
    text = re.sub(r"[₀-₉]+", lambda m: f"_{{{m[0].translate(_SUBSCRIPTS)}}}", text)
    text = re.sub(r"(?<=\d)(?=[¼-¾⅐-⅞])", " ", text)
    text = unicodedata.normalize("NFKC", text).translate(_SIGNS)
    return "".join(char for char in text if unicodedata.category(char) != "Cf")
