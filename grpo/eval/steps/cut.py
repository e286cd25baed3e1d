"""Where the steps of a thought end: the rule that scorers of steps and searches share."""

import re
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Cut:
    """A step ends after each of the texts `ends`, the last one with the thought.

    What is blank, or has nothing in it that the pattern `holding` finds, is no step.

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
        return bool(piece.strip()) and re.search(self.holding, piece) is not None


PARAGRAPHS = Cut(("\n\n",))
"""As most process reward models have it."""

CLAIMS = Cut((".", "。"), holding=r"\d")
"""The sentences of the tiny world that say a number: its sums, and what is concluded from them."""
