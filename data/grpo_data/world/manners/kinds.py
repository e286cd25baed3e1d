"""The kinds of general prompt, and the one table of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from grpo_data.world.manners import greeting, harm, instruction, self_description
from grpo_data.world.manners.ask import Ask
from grpo_data.world.manners.reply import Part, follows, write

Reply = Callable[[Random, Ask, str], str]
Check = Callable[[str, Ask, str], bool]


@dataclass(frozen=True)
class Kind:
    """How one kind of request is drawn, worded on a side, answered, judged, and answered badly.

    >>> Kind(greeting.draw, greeting.prompt, reply, is_good, faults)
    """

    draw: Callable[[Random], Ask]
    prompt: Callable[[Random, Ask, str, str], list[str]]
    reply: Reply
    is_good: Check
    faults: Callable[[Ask], Mapping[str, Reply]]


def _of_parts(parts: Callable[[Ask, str], tuple[Part, ...]]) -> tuple[Reply, Check]:
    """(reply, is_good) of a kind whose replies are made of parts."""
    return (
        lambda rng, ask, language: write(rng, parts(ask, language), language),
        lambda text, ask, language: follows(text, parts(ask, language), language),
    )


GENERAL: dict[str, Kind] = {
    "greeting": Kind(
        greeting.draw, greeting.prompt, *_of_parts(greeting.parts), lambda _: greeting.FAULTS
    ),
    "self": Kind(
        self_description.draw,
        self_description.prompt,
        *_of_parts(self_description.parts),
        lambda _: self_description.FAULTS,
    ),
    "instruction": Kind(
        instruction.draw,
        instruction.prompt,
        lambda _, ask, language: instruction.expected(ask, language),
        instruction.is_right,
        lambda _: instruction.FAULTS,
    ),
    "harm": Kind(
        harm.draw,
        harm.prompt,
        *_of_parts(harm.parts),
        lambda ask: harm.FAULTS_OF_HARMFUL if ask.harmful else harm.FAULTS_OF_BENIGN,
    ),
}
