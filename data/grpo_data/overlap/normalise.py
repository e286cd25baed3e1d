"""Texts with what does not matter taken out, so that the same problem reads the same everywhere.

Three views of a text, one a rule: `exact_key`, `letters_key` and `words`. Nothing is understood:
synonyms, other variable names and translations stay different, and of the scripts without spaces
only Chinese and Japanese are cut into characters. What is asked of one text twice in a row is
worked out once.
"""

import re
import unicodedata
from functools import lru_cache

CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
"""Chinese and Japanese characters, as the inside of a regular expression's class."""

_SIGNS = str.maketrans({**dict.fromkeys("−–—", "-"), **dict.fromkeys("×·⋅", "*"), "÷": "/"})

_SPELLING = {
    **dict.fromkeys(("dfrac", "tfrac", "cfrac"), r"\frac "),
    **dict.fromkeys(("leq", "leqslant"), r"\le "),
    **dict.fromkeys(("geq", "geqslant"), r"\ge "),
    **dict.fromkeys(("times", "cdot", "ast"), "*"),
    **dict.fromkeys(("ldots", "cdots", "dots"), r"\dots "),
    "neq": r"\ne ",
    "div": "/",
}
"""LaTeX commands that are written in more than one way, without the backslash."""

_LAYOUT = {
    *("left", "right", "big", "bigl", "bigr", "limits", "displaystyle", "textstyle"),
    *("text", "textbf", "textit", "textrm", "mbox", "hbox", "operatorname"),
    *("mathrm", "mathbf", "mathit", "mathsf", "quad", "qquad", "hspace", "vspace", "noindent"),
}
"""LaTeX commands that change how a formula looks and not what it says."""

_THOUSANDS = re.compile(r"(?<=\d)(?:,\\!|\{,\}|,|\\,)(?=\d{3}(?!\d))")
_EMPTY_SCRIPT = re.compile(r"[\^_]\s*\{\s*\}")
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s*\{[a-z]+\*?\}")
_COMMAND = re.compile(r"\\(?:([a-z]+)|(.)|$)", re.DOTALL)
_HYPHEN = re.compile(r"(?<=[^\W\d_]{2})-(?=[^\W\d_]{2})")
_DRAWING = re.compile(r"\[asy\].*?\[/asy\]", re.DOTALL | re.IGNORECASE)
_TOKEN = re.compile(r"\d*\.?\d+|[^\W\d_]+|[-+*/=<>^!%|()\[\]]")
_WORD = re.compile(rf"[{CJK}]|[^\W_{CJK}]+")
_GAP = re.compile(r"(?<!\d) | (?![.\d])")


@lru_cache(maxsize=1)
def exact_key(text: str) -> str:
    """The text without width, case, spacing, punctuation and LaTeX layout; "" where none is left.

    Numbers, signs and brackets stay, and two numbers never run into one: "3 - 4" is not "3 + 4",
    "1, 25" not "12, 5", "22.5" not "225".
    """
    tokens = _TOKEN.findall(_HYPHEN.sub(" ", _spelled(text)))
    return _GAP.sub("", " ".join(tokens))


def letters_key(text: str) -> str:
    """The letters and digits alone, in order, as one run.

    Signs go with the rest, so "Find f(-x) + 2.5." and "find f(x)-25" have one key: it catches
    what a scanner or a careless conversion did to a formula, and twins that differ in a sign.
    """
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


def words(text: str) -> list[str]:
    """The words and numbers, and each Chinese or Japanese character as a word of its own.

    Drawings in Asymptote are left out: their commands are alike from problem to problem.
    """
    return _WORD.findall(_spelled(_DRAWING.sub(" ", text)))


@lru_cache(maxsize=1)
def _spelled(text: str) -> str:
    """Folded, each LaTeX command in one spelling, without delimiters and layout."""
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_SIGNS)
    if "\\" not in folded and "{" not in folded:
        return _THOUSANDS.sub("", folded)
    plain = _EMPTY_SCRIPT.sub(" ", _THOUSANDS.sub("", folded))
    return _COMMAND.sub(_command, _ENVIRONMENT.sub(" ", plain))


def _command(found: re.Match[str]) -> str:
    name, character = found.groups()
    if name is None:
        return f" {character}" if character and (character.isalnum() or character == "%") else " "
    return " " if name in _LAYOUT else _SPELLING.get(name, found[0])
