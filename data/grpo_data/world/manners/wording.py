"""The wordings of a prompt, each of them on one side for good: learnt from, or held out.

A held-out wording is made of words that the others use too: what is new is how they stand together.
"""

from dataclasses import dataclass
from random import Random

SIDES = ("train", "held_out")
SHOWN = "shown"
"""The part of the train side that a demonstration need not go beyond: its first half."""
TRAIN_SHARE = 0.7  # of the prompts, where both sides may come


@dataclass(frozen=True)
class Wordings:
    """The ways to say one thing, by side.

    >>> Wordings(("Who are you?", "Tell me who you are."), ("Can you tell me who you are?",))
    """

    train: tuple[str, ...]
    held_out: tuple[str, ...]

    def of(self, side: str) -> tuple[str, ...]:
        """The wordings on `side`, one of SIDES or SHOWN."""
        if side == SHOWN:
            return self.train[: (len(self.train) + 1) // 2]
        return self.train if side == "train" else self.held_out


def draw_side(rng: Random, paraphrases: str) -> str:
    """The side one prompt is worded on, wholly."""
    if paraphrases != "all":
        return paraphrases
    return SIDES[rng.random() >= TRAIN_SHARE]
