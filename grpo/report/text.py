"""Completions as text on a page: shortened in the middle, tags set apart, all of it escaped; and
names and times in few characters."""

import re

from markupsafe import Markup, escape

_SHORTER = {"language_consistency": "language"}
_TICKED = re.compile("`([^`]+)`")
TAGS = re.compile(r"(</?(?:think|answer)>)")


def shortened(text: str, limit: int) -> str:
    """`text`, or its head and tail of `limit` characters together and a word on what is missing.

    The tail is kept because that is where the answer stands.
    """
    if len(text) <= limit:
        return text
    head, tail = limit - limit // 3, limit // 3
    return f"{text[:head]}\n[… {len(text) - head - tail:,} characters left out …]\n{text[-tail:]}"


def short_name(reward: str) -> str:
    """What tells a reward from others: its label behind an @, else the name of its function.

    >>> short_name("reward_model@helpful"), short_name("grpo_data.world.manners:manners")
    ('helpful', 'manners')
    """
    bare, _, label = reward.rpartition("@")
    name = label if bare else re.split(r"[.:]", reward)[-1]
    return _SHORTER.get(name, name)


def duration(seconds: float) -> str:
    """`8 min 06 s`; hours from an hour on.

    >>> duration(486)
    '8 min 06 s'
    """
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def marked(text: str) -> Markup:
    """`text` escaped, with the tags of thought and answer wrapped for the style sheet."""
    if not text.strip():
        return Markup('<span class="tag">(nothing)</span>')
    tag = Markup('<span class="tag">{}</span>')
    pieces = enumerate(TAGS.split(text))
    return Markup("").join(tag.format(piece) if i % 2 else escape(piece) for i, piece in pieces)


def ticked(text: str) -> Markup:
    """`text` escaped, with what stands between backticks set as code."""
    code = Markup("<code>{}</code>")
    pieces = enumerate(_TICKED.split(text))
    return Markup("").join(code.format(piece) if i % 2 else escape(piece) for i, piece in pieces)
