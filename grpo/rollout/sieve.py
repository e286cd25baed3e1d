"""Which completions of a group are worth learning from: the rules of rejection sampling, one text
and its judgement at a time.

R1 drops what is wrong, mixes languages, has long paragraphs or blocks of code. How many of those
that pass are kept, and what overlaps with an evaluation, is not said here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from grpo.recipe.chain import Keeping
from grpo.types import Completion, Group, Judgement
from grpo_rewards.repetition import repeated_share
from grpo_rewards.words import units

UNFINISHED, PARAGRAPH, CODE, REPEATED, DUPLICATE = (
    "unfinished", "paragraph", "code_blocks", "repeated", "duplicate",
)  # fmt: skip
_BETWEEN = re.compile(r"\n[ \t]*\n")
_FENCE = re.compile(r"^ {0,3}(```|~~~)", re.MULTILINE)
_N = 10


@dataclass(frozen=True)
class Sifted:
    """What the rules say of one completion: the one it was dropped for, None where it passed, and
    all that it breaks, each looked at by itself.

    >>> Sifted("accuracy", ("accuracy", "repeated"))
    """

    dropped: str | None
    broken: tuple[str, ...]


def rules(keeping: Keeping) -> tuple[str, ...]:
    """The rules in the order they are asked; a floor goes by its reward's name."""
    return (UNFINISHED, *keeping.least, PARAGRAPH, CODE, REPEATED, DUPLICATE)


def sift(group: Group, keeping: Keeping) -> list[Sifted]:
    """What becomes of each completion of `group`.

    A duplicate is, but for its spaces, the text of an earlier completion of the group; it is
    dropped where that one passed.
    """
    seen: set[str] = set()
    passed: set[str] = set()
    sifted = []
    for completion, judgement in zip(group.completions, group.judgements, strict=True):
        text = " ".join(completion.text.split())
        broken = tuple(_broken(completion, judgement, keeping))
        first = next(iter(broken), DUPLICATE if text in passed else None)
        sifted.append(Sifted(first, (*broken, *[DUPLICATE][: text in seen])))
        seen.add(text)
        if not broken:
            passed.add(text)
    return sifted


def _broken(completion: Completion, judgement: Judgement, keeping: Keeping) -> Iterator[str]:
    if completion.finish_reason != "stop":
        yield UNFINISHED
    for name, least in keeping.least.items():
        part = judgement.parts.get(name)
        # What a reward would not judge has not been found good.
        if part is None or part < least:
            yield name
    text = completion.text
    if keeping.paragraph and longest_paragraph(text) > keeping.paragraph:
        yield PARAGRAPH
    if not keeping.code_blocks and _FENCE.search(text):
        yield CODE
    if repeated_share(units(text), _N) > keeping.repeated:
        yield REPEATED


def longest_paragraph(text: str) -> int:
    """Characters of the longest run of lines without an empty one between them."""
    return max(len(paragraph.strip()) for paragraph in _BETWEEN.split(text))
