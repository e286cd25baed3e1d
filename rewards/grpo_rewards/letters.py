"""The letter of a multiple-choice answer: B of `B`, `(B)`, `B. 12`, `\\text{B}`, `option B`, 选B.

Which text belongs to which letter is for `grpo_rewards.choice` to know.
"""

import re

from grpo_rewards.clean import clean, untexted

_PREFIX = re.compile(r"(?:option|choice|选项|选择|选)\s*:?\s*", re.IGNORECASE)
_BARE = re.compile(r"[(\[]?\s*([A-Za-z])\s*[)\].:]?")
_LABEL = re.compile(
    r"(?:[(\[]\s*([A-J])\s*[)\]]|([A-J])(?:\s*[).:、]|\s+-|(?=\s+(?!or\b|and\b)[A-Za-z]{2})))"
    r"[\s.:]*(?=[\w\\$(+-])(?![或和])"
)
_OTHER_LABEL = re.compile(
    r"(?<![A-Za-z])[A-J](?:\s*[).:,、/;\]]|\s*$|\s+(?:or|and)\b)|(?:\b(?:or|and)\s|[或和])\s*[A-J]\b"
)


def labelled(answer: str) -> tuple[str, str] | None:
    """The letter an answer begins with, as a capital, and the text behind it; None without one.

    >>> labelled("(B) 12")
    ('B', '12')
    """
    text = " ".join(untexted(clean(answer)).split())
    text = _PREFIX.sub("", text, count=1) if _PREFIX.match(text) else text
    bare = _BARE.fullmatch(text)
    if bare:
        return bare[1].upper(), ""
    found = _LABEL.match(text)
    return (found[1] or found[2], text[found.end() :]) if found else None


def letter(answer: str) -> str | None:
    """The letter of an answer whose text behind it names no other letter."""
    found = labelled(answer)
    return found[0] if found and _OTHER_LABEL.search(found[1]) is None else None
