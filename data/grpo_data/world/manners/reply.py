"""What a good reply is made of: parts in order, each one of a few sentences.

The same parts write a reply and check one, sentence by sentence. Whatever is no sentence of theirs
is not good: the check is exact, not kind.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

OPTIONAL_SHARE = 0.4
_SENTENCE = re.compile(r"[^.!?。]+[.!?。]*|[.!?。]+")
_SHORT = {
    "can't": "can not",
    "cannot": "can not",
    "won't": "will not",
    "don't": "do not",
    "i'm": "i am",
}


@dataclass(frozen=True)
class Part:
    """One place of a reply: `said` are its sentences, `also` are right too but never drawn.

    >>> Part(("Hello, Tom!", "Hi, Tom!"), also=("Hello!", "Hi!"))
    """

    said: tuple[str, ...]
    also: tuple[str, ...] = ()
    required: bool = True


def write(rng: Random, parts: Sequence[Part], language: str) -> str:
    """A reply drawn from `parts`, an optional one left out more often than not."""
    drawn = [
        rng.choice(part.said)
        for part in parts
        if part.said and (part.required or rng.random() < OPTIONAL_SHARE)
    ]
    return joined(drawn, language)


def joined(sentences: Iterable[str], language: str) -> str:
    """Sentences in a row, a blank between English ones."""
    return (" " if language == "en" else "").join(sentences)


def follows(text: str, parts: Sequence[Part], language: str) -> bool:
    """Whether `text` is these parts in their order, each once, and nothing else."""
    said = sentences(text, language)
    for part in parts:
        known = {plain(sentence, language) for sentence in (*part.said, *part.also)}
        if said and said[0] in known:
            said.pop(0)
        elif part.required:
            return False
    return not said


def sentences(text: str, language: str) -> list[str]:
    """The sentences of `text`, plain."""
    found = _SENTENCE.findall(_one_form(text))
    return [sentence for one in found if (sentence := plain(one, language))]


def plain(sentence: str, language: str) -> str:
    """The sentence without its end mark; width, case, short forms and blanks made one."""
    text = _one_form(sentence).strip(" .!?。\n\t")
    if language == "zh":
        return "".join(text.split())
    return " ".join(_SHORT.get(word, word) for word in text.split())


def _one_form(text: str) -> str:
    return unicodedata.normalize("NFKC", text).replace("’", "'").casefold()
