"""The noun everything is made of: a problem with its reference answer."""

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

REASONING = "reasoning"
"""The domain of problems that name none."""
OPEN = frozenset({"general", "harm", "instruction"})
"""The domains whose prompts have no one right answer: rewards judge them, correctness does not."""


@dataclass(frozen=True)
class Problem:
    """One question and its reference answer.

    `key` names the problem itself, not its wording where a generator knows better; the split
    into train and held-out reads the key, so a paraphrase never crosses over. `columns` holds
    every other column of the row and is handed to the rewards by name.

    >>> Problem("singleop-3", "Brenda starts with 7 Skittles. She buys 8 more. How many ...?",
    ...         "15", "brenda starts with 7 skittles. ...", {"language": "en"})
    """

    id: str
    question: str
    answer: str
    key: str
    columns: Mapping[str, Any] = field(default_factory=dict)

    @property
    def domain(self) -> str:
        """What kind of good answer it asks for: its column `domain`, or "reasoning"."""
        return str(self.columns.get("domain") or REASONING)

    @property
    def is_open(self) -> bool:
        """Whether no answer is the right one, by its domain; any other domain's name is free."""
        return self.domain in OPEN


def normalised(text: str) -> str:
    """The text with width, case and spacing made one, so that equal questions have equal keys."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def is_held_out(key: str, share: float) -> bool:
    """Whether the problem named `key` is held out, for a held-out `share` in [0, 1].

    A hash of the problem decides, never a seed or a position: the same problem lands on the
    same side in every file, run and machine.
    """
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64
