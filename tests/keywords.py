"""How far one word gets: the best single word or pair of words at telling texts apart."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

WORD = re.compile(r"[a-z']+|\d+|[\u4e00-\u9fff]|[^\w\s]")


def words(text: str) -> list[str]:
    """English words, single Chinese characters, marks."""
    return WORD.findall(text.lower())


def grams(text: str) -> set[tuple[str, ...]]:
    """The words of a text and the pairs of neighbours, its two ends among them."""
    said = ["^", *words(text), "$"]
    return {(word,) for word in said} | set(pairwise(said))


def best_word_for_labels(texts: Sequence[str], labels: Sequence[bool]) -> float:
    """Accuracy of the best rule "such if the word stands there", or its opposite, by hindsight."""
    there: Counter[tuple[str, ...]] = Counter()
    such: Counter[tuple[str, ...]] = Counter()
    for text, label in zip(texts, labels, strict=True):
        there.update(grams(text))
        such.update(grams(text) if label else ())
    others = len(labels) - sum(labels)
    right = [such[gram] + others - (there[gram] - such[gram]) for gram in there]
    return max(max(n, len(labels) - n) for n in right) / len(labels)


def best_word_for_pairs(pairs: Iterable[tuple[str, str]]) -> float:
    """Accuracy of the best rule "prefer the text with (or without) the word", ties half right."""
    score: Counter[tuple[str, ...]] = Counter()
    count = 0
    for chosen, rejected in pairs:
        count += 1
        score.update(grams(chosen) - grams(rejected))
        score.subtract(grams(rejected) - grams(chosen))
    return 0.5 + max(map(abs, score.values())) / count / 2
