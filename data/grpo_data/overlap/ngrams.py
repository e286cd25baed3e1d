"""Runs of n words, and what n words are where a language writes no spaces.

How a text becomes words is left to `normalise`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from grpo_data.overlap.normalise import CJK

WORD, CHARACTER = 3, 2
"""Weights: 1.5 Chinese characters make up for a word, as they do in MGSM's 250 questions in Chinese
and in English (16,235 characters for 10,786 words). Ten words are fifteen characters."""

_CHARACTER = re.compile(f"[{CJK}]")
_BETWEEN = re.compile(f"(?<=[{CJK}]) (?=[{CJK}])")


def ngrams(words: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    """Every run of `n` words, in order; none for a text of fewer.

    A Chinese or Japanese character counts as two thirds of a word, so a run is as long as it has
    to be: it depends on its own text alone and is the same wherever it stands.
    """
    if not _CHARACTER.search(" ".join(words)):
        return zip(*(words[start:] for start in range(n)), strict=False)
    return _weighed(words, n * WORD)


def phrase(ngram: Iterable[str]) -> str:
    """The words as a text, Chinese without spaces."""
    return _BETWEEN.sub("", " ".join(ngram))


def _weighed(words: Sequence[str], needed: int) -> Iterator[tuple[str, ...]]:
    weights = [CHARACTER if _CHARACTER.match(word) else WORD for word in words]
    weight = end = 0
    for start, first in enumerate(weights):
        while weight < needed and end < len(words):
            weight += weights[end]
            end += 1
        if weight < needed:
            return
        yield tuple(words[start:end])
        weight -= first
