"""An answer of several parts: list, tuple, interval, set, matrix, union; split, not judged.

A bare list and a set in braces have no order; everything in round or square brackets has one.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

_OPENING, _CLOSING = "([{", ")]}"
_MATRIX = re.compile(r"\\begin\{([pb]matrix)\}(.*)\\end\{\1\}", re.DOTALL)
_ARRAY = re.compile(
    r"(?:[(\[]\s*)?\\begin\{array\}\{[clr|]*\}(.*)\\end\{array\}(?:\s*[)\]])?", re.DOTALL
)
_ROWS = re.compile(r"\\\\(?:\[\d+pt\])?")


@dataclass(frozen=True)
class Parts:
    """The parts of an answer and what holds them: brackets, "matrix 2", "union", or nothing.

    >>> Parts("[)", ("0", "9"))   # "[0, 9)"
    """

    kind: str
    items: tuple[str, ...]

    @property
    def has_order(self) -> bool:
        """Whether the same parts in another order make another answer."""
        return self.kind not in ("", "{}", "union")


@lru_cache(maxsize=8192)
def parts(text: str) -> Parts | None:
    """The parts of `text`, or None where it is all one."""
    if "," not in text and ";" not in text and "\\" not in text:
        return None
    if "\\begin" in text:
        return _matrix(text)
    if "\\cup" in text:
        return Parts("union", tuple(one.strip() for one in text.split("\\cup")))
    inner, kind = _inside(text.strip())
    items = _split(inner)
    if items is None or not all(items) or (len(items) == 1 and kind != "{}"):
        return None
    return Parts(kind, tuple(items))


def _matrix(text: str) -> Parts | None:
    found = _MATRIX.fullmatch(text) or _ARRAY.fullmatch(text)
    if found is None:
        return None
    body = found[found.lastindex or 0].strip().removesuffix("\\\\")
    rows = [[cell.strip() for cell in row.split("&")] for row in _ROWS.split(body)]
    if "\\begin" in body or len({len(row) for row in rows}) != 1:
        return None
    return Parts(f"matrix {len(rows)}", tuple(cell for row in rows for cell in row))


def _inside(text: str) -> tuple[str, str]:
    """What stands in the brackets around the whole of `text`, and which they are."""
    for opening, closing in (("\\{", "\\}"), ("(", ")"), ("[", "]"), ("(", "]"), ("[", ")")):
        if text.startswith(opening) and text.endswith(closing):
            inner = text[len(opening) : -len(closing)]
            if _is_balanced(inner):
                return inner, (opening + closing).replace("\\", "")
    return text, ""


def _is_balanced(text: str) -> bool:
    """Whether no bracket of `text` closes one that stands before it."""
    depth = 0
    for char in text:
        depth += (char in _OPENING) - (char in _CLOSING)
        if depth < 0:
            return False
    return depth == 0


def _split(text: str) -> list[str] | None:
    """The texts between the semicolons that no bracket holds, or else between the commas; None
    where brackets do not match."""
    breaks: dict[str, list[int]] = {",": [], ";": []}
    depth = 0
    for at, char in enumerate(text):
        depth += (char in _OPENING) - (char in _CLOSING)
        if depth < 0:
            return None
        if depth == 0 and char in breaks:
            breaks[char].append(at)
    ends = [*(breaks[";"] or breaks[","]), len(text)]
    starts = [0, *(end + 1 for end in ends)]
    items = [text[start:end].strip() for start, end in zip(starts, ends, strict=False)]
    return items if depth == 0 else None
