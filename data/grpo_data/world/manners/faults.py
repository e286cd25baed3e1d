"""Bad replies: those of the kind, and those that any good reply can be spoilt into.

A reply that turns out good by chance (a hello to another hello) is drawn again, so a fault is one
by the rule check.
"""

from collections.abc import Callable
from random import Random

from grpo_data.world.case import LANGUAGES
from grpo_data.world.manners.kinds import GENERAL
from grpo_data.world.manners.reply import joined
from grpo_data.world.manners.talk import Talk, draw_talk

KIND_SHARE = 0.55


def cut_off(rng: Random, talk: Talk) -> str:
    """The good reply, ended too early."""
    words = _words(talk)
    return _unsplit(words[: rng.randrange(1, len(words))] if len(words) > 1 else words, talk)


def rambling(rng: Random, talk: Talk) -> str:
    """The good reply, and one or two that belong to other prompts."""
    others = [off_topic(rng, talk) for _ in range(rng.randint(1, 2))]
    said = [talk.good, *others]
    return joined(said if rng.random() < 0.7 else said[::-1], talk.language)


def repeating(rng: Random, talk: Talk) -> str:
    """The good reply, or the end of it, over and over."""
    words = _words(talk)
    tail = words[rng.randrange(len(words)) :]
    return _unsplit(words + tail * rng.randint(1, 3), talk)


def off_topic(rng: Random, talk: Talk) -> str:
    """A good reply to another prompt in the language."""
    while True:
        other = draw_talk(rng, rng.choice(list(GENERAL)), "all")
        if other.language == talk.language:
            return other.good


def wrong_language(rng: Random, talk: Talk) -> str:
    """A good reply in the other language."""
    (other,) = (language for language in LANGUAGES if language != talk.language)
    return GENERAL[talk.ask.kind].reply(rng, talk.ask, other)


COMMON: dict[str, Callable[[Random, Talk], str]] = {
    "cut_off": cut_off,
    "rambling": rambling,
    "repeating": repeating,
    "off_topic": off_topic,
    "wrong_language": wrong_language,
}


def bad_reply(rng: Random, talk: Talk, own_share: float = KIND_SHARE) -> tuple[str, str]:
    """(the fault's name, a bad reply): with `own_share` a fault of the kind, else one of COMMON."""
    kind = GENERAL[talk.ask.kind]
    while True:
        if rng.random() < own_share:
            own = kind.faults(talk.ask)
            name = rng.choice(list(own))
            text = own[name](rng, talk.ask, talk.language)
        else:
            name = rng.choice(list(COMMON))
            text = COMMON[name](rng, talk)
        if not kind.is_good(text, talk.ask, talk.language):
            return name, text


def _words(talk: Talk) -> list[str]:
    return talk.good.split() if talk.language == "en" else list(talk.good)


def _unsplit(words: list[str], talk: Talk) -> str:
    return (" " if talk.language == "en" else "").join(words)
