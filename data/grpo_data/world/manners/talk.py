"""A general prompt in words, with a good reply to it: what problems, conversations and preferences
are made from."""

from dataclasses import dataclass
from random import Random
from typing import Any

from grpo_data.problem import Problem, is_held_out
from grpo_data.world.case import LANGUAGES
from grpo_data.world.manners.ask import Ask
from grpo_data.world.manners.kinds import GENERAL
from grpo_data.world.manners.reply import joined
from grpo_data.world.manners.wording import draw_side


@dataclass(frozen=True)
class Talk:
    """One request as it was said, on one side of the wordings, and a good reply.

    >>> Talk(Ask("greeting", "morning", "Tom"), "en", "train",
    ...      "Good morning! I am Tom.", "Good morning, Tom! How can I help you?")
    """

    ask: Ask
    language: str
    side: str
    prompt: str
    good: str

    @property
    def columns(self) -> dict[str, Any]:
        """What a checker or a report needs to know of it."""
        return {**self.ask.columns, "language": self.language, "paraphrase": self.side}

    def problem(self) -> Problem:
        """The request as a problem, whose reference answer is the good reply."""
        name = f"{self.ask.kind}-{self.language}-{self.ask.key}"
        return Problem(name, self.prompt, self.good, self.ask.key, self.columns)


def draw_talk(rng: Random, kind: str, paraphrases: str, held_out: float = 0.0) -> Talk:
    """A talk of `kind`, worded on a side that `paraphrases` allows ("all": on either); what is
    asked lies outside the `held_out` share."""
    ask = GENERAL[kind].draw(rng)
    while is_held_out(ask.key, held_out):
        ask = GENERAL[kind].draw(rng)
    language = rng.choice(LANGUAGES)
    side = draw_side(rng, paraphrases)
    prompt = joined(GENERAL[kind].prompt(rng, ask, language, side), language)
    return Talk(ask, language, side, prompt, GENERAL[kind].reply(rng, ask, language))
