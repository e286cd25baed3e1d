"""Where the steps of a thought end: the rule that scorers of steps and searches share."""

import re
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Cut:
    """A step ends after each of the texts `ends`, the last one with the thought.

    What is blank, or has no `holding` in it, is no step.

    >>> Cut((".", "。"), holding="=").spans("Easy. 3+4=7. 7*2=14。So 14.")
    [(5, 12), (12, 19)]
    """

    ends: tuple[str, ...]
    holding: str = ""

    def spans(self, text: str) -> list[tuple[int, int]]:
        """(first character, one past the last) of each step."""
        found = re.finditer("|".join(map(re.escape, self.ends)), text)
        borders = [0, *(match.end() for match in found), len(text)]
        return [(a, b) for a, b in pairwise(borders) if self._is_step(text[a:b])]

    def _is_step(self, piece: str) -> bool:
        return bool(piece.strip()) and self.holding in piece


PARAGRAPHS = Cut(("\n\n",))
"""As most process reward models have it."""

SUMS = Cut((".", "。"), holding="=")
"""The sentences of the tiny world that have a sum in them."""
