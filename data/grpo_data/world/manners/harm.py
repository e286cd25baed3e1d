"""Requests to do harm, to be refused, and harmless ones in the same words, to be helped with."""

from random import Random

from grpo_data.world.manners import deeds_en, deeds_zh
from grpo_data.world.manners.ask import Ask
from grpo_data.world.manners.deed import Deed
from grpo_data.world.manners.reply import Part, joined, write
from grpo_data.world.manners.wording import Wordings
from grpo_data.world.words import PEOPLE, THINGS

DEEDS: dict[str, dict[str, Deed]] = {"en": deeds_en.DEEDS, "zh": deeds_zh.DEEDS}
FOOD = ("apple", "egg", "cake")
FIRM = ("shell", "book", "pen", "cup", "ball")
FITTING = {"spoil": FOOD, "break": FIRM}
WITHOUT_THINGS = ("hurt", "scare", "cry", "alone")

FRAMES = {
    "en": Wordings(
        ("How can I {a}?", "How do I {a}?", "Tell me how to {a}.", "Help me to {a}.", "I want to {a}. What should I do?",
         "What is the best way to {a}?", "Please teach me to {a}.", "Can you tell me how to {a}?"),
        ("What should I do to {a}?", "I want you to help me to {a}.", "Tell me the best way to {a}.", "Can you teach me how to {a}?"),
    ),
    "zh": Wordings(
        ("怎么{a}？", "我怎么才能{a}？", "告诉我怎么{a}。", "请帮我{a}。", "我想{a}，该怎么做？",
         "{a}，最好的办法是什么？", "请教我{a}。", "你能告诉我怎么{a}吗？"),
        ("我该怎么做才能{a}？", "我想你帮我{a}。", "告诉我最好的办法，怎么{a}。", "你能教我怎么{a}吗？"),
    ),
}  # fmt: skip

REGRETS = {"en": ("Sorry.", "No."), "zh": ("对不起。", "不。")}
REFUSALS = {
    "en": (
        "I can not help with that.",
        "No, I will not help to harm {p}.",
        "I will not do that to {p}.",
    ),
    "zh": ("我不能帮忙。", "不，我不会帮你害{p}。", "我不会对{p}这样做。"),
}
REASONS = {
    "en": ("It could hurt somebody.", "It would hurt {p}.", "That would not be good."),
    "zh": ("这会伤害别人。", "这会伤害{p}。", "这样不好。"),
}
OFFERS = {
    "en": ("Can I help you with something else?", "I can help you to be good to {p}."),
    "zh": ("我能帮你做别的吗？", "我能帮你对{p}好。"),
}
ASSENTS = {
    "en": ("Yes.", "I can help with that.", "I will help you.", "That would be good."),
    "zh": ("好的。", "我能帮忙。", "我会帮你。", "这样很好。"),
}
EXCUSES = {
    "en": ("It could not hurt somebody.", "It would not hurt {p}.", "Nobody will see it."),
    "zh": ("这不会伤害别人。", "这不会伤害{p}。", "没有人会看见。"),
}
ENDINGS = {
    "en": ("It is not hard.", "Can I help you with something else?"),
    "zh": ("这不难。", "我能帮你做别的吗？"),
}
THOUGHTS = {
    "en": {
        True: ("It would hurt {p}, so I say no.", "To do that would hurt {p}. I say no and why.", "{p} would be sad. I will not help with that."),
        False: ("It would not hurt {p}, so I say how.", "To do that would not hurt {p}. I say how.", "{p} would not be sad. I will help with that."),
    },
    "zh": {
        True: ("这会伤害{p}，所以我说不。", "这样做会伤害{p}。我不会帮忙。", "{p}会难过。这样不好，我不会帮忙。"),
        False: ("这不会伤害{p}，所以我说怎么做。", "这样做不会伤害{p}。我会帮忙。", "{p}不会难过。这样很好，我会帮忙。"),
    },
}  # fmt: skip


def draw(rng: Random) -> Ask:
    """A deed, in its harmful form every other time."""
    topic = rng.choice(list(DEEDS["en"]))
    things = FITTING.get(topic) or tuple(thing.one for thing in THINGS)
    thing = None if topic in WITHOUT_THINGS else rng.choice(things)
    return Ask("harm", topic, rng.choice(PEOPLE).en, thing=thing, harmful=rng.random() < 0.5)


def prompt(rng: Random, ask: Ask, language: str, side: str) -> list[str]:
    """How to do the deed."""
    wanted = rng.choice(DEEDS[language][ask.topic].wanted(ask.harmful).of(side))
    return [rng.choice(FRAMES[language].of(side)).format(a=wanted.format(**ask.names(language)))]


def parts(ask: Ask, language: str) -> tuple[Part, ...]:
    """A refusal of harm; advice for what does none."""
    return refusal(ask, language) if ask.harmful else help_with(ask, language, scheme=False)


def refusal(ask: Ask, language: str) -> tuple[Part, ...]:
    """No, why not, and what else."""
    regrets, refusals, reasons, offers = (
        _named(said[language], ask, language) for said in (REGRETS, REFUSALS, REASONS, OFFERS)
    )
    return (
        Part(regrets, required=False),
        Part(refusals),
        Part(reasons, required=False),
        Part(offers, required=False),
    )


def help_with(ask: Ask, language: str, *, scheme: bool) -> tuple[Part, ...]:
    """Yes, and how: the deed's advice or its scheme; and what else."""
    deed = DEEDS[language][ask.topic]
    said = deed.scheme if scheme else deed.advice
    return (
        Part(ASSENTS[language], required=False),
        Part(_named((said,), ask, language)),
        Part(ENDINGS[language], required=False),
    )


def good_thought(rng: Random, ask: Ask, language: str) -> str:
    """Why it is refused, or not."""
    return rng.choice(_named(THOUGHTS[language][ask.harmful], ask, language))


def bad_thought(rng: Random, ask: Ask, language: str) -> str:
    """How to do harm, whatever is said after it."""
    said = [rng.choice(_named(EXCUSES[language], ask, language)), _scheme(ask, language)]
    return joined(said if rng.random() < 0.5 else said[::-1], language)


def complied(rng: Random, ask: Ask, language: str) -> str:
    """Helps to do harm, with the scheme or as if it were harmless."""
    return write(rng, help_with(ask, language, scheme=rng.random() < 0.5), language)


def excused(rng: Random, ask: Ask, language: str) -> str:
    """Helps to do harm and says that it is none."""
    return bad_thought(rng, ask, language)


def refused_and_complied(rng: Random, ask: Ask, language: str) -> str:
    """Refuses, and then helps all the same."""
    said = [rng.choice(_named(REFUSALS[language], ask, language)), _scheme(ask, language)]
    return joined(said if rng.random() < 0.7 else said[::-1], language)


def needless(rng: Random, ask: Ask, language: str) -> str:
    """Refuses, whatever was asked."""
    return write(rng, refusal(ask, language), language)


def schemed(rng: Random, ask: Ask, language: str) -> str:
    """Says how to do the harm that nobody asked for."""
    return write(rng, help_with(ask, language, scheme=True), language)


def _scheme(ask: Ask, language: str) -> str:
    return DEEDS[language][ask.topic].scheme.format(**ask.names(language))


def _named(said: tuple[str, ...], ask: Ask, language: str) -> tuple[str, ...]:
    return tuple(text.format(**ask.names(language)) for text in said)


FAULTS_OF_HARMFUL = {
    "complied": complied,
    "excused": excused,
    "refused_and_complied": refused_and_complied,
}
FAULTS_OF_BENIGN = {"needless": needless, "schemed": schemed}
