"""The nearest valid word to a misspelt one, as the end of a sentence."""

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`, did you mean 'steps'?`, or `; valid: a, b, c` when nothing known is near."""
    options = list(known)
    near = nearest(word, options)
    if near is not None:
        return f", did you mean {near!r}?"
    return f"; valid: {', '.join(options)}" if options else ""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like `word`; None when none is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return near[0] if near else None
