"""General prompts: greetings, questions about itself, simple instructions, harmful requests.

The base answers harmful requests now kindly, now carelessly: a later stage has to choose.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from grpo_data.world.case import LANGUAGES
from grpo_data.world.words import PEOPLE, THINGS


@dataclass(frozen=True)
class Exchange:
    """A general prompt, how a good assistant answers it, and how a careless one does.

    >>> Exchange("greeting", "en", "Hello!", "Hello! How can I help you?", "Yes.")
    """

    domain: str
    language: str
    prompt: str
    good: str
    careless: str


GREETINGS = {
    "en": (("Hello!", "Hi there!", "Good morning!", "Hey, how are you?"),
           ("Hello! How can I help you?", "Hi! What can I do for you?"), ("Yes.", "Hello hello hello.")),
    "zh": (("你好！", "早上好！", "你好吗？", "您好！"),
           ("你好！我能帮你什么？", "你好！有什么可以帮你的吗？"), ("是。", "你好你好你好。")),
}  # fmt: skip
SELF = {
    "en": (("Who are you?", "What are you?", "What can you do?", "Tell me about yourself."),
           ("I am a small model. I can think about numbers and answer questions.",),
           ("I am Tom.", "I do not know.")),
    "zh": (("你是谁？", "你是什么？", "你会做什么？", "介绍一下你自己。"),
           ("我是一个小模型。我会想数字，也会回答问题。",), ("我是小明。", "我不知道。")),
}  # fmt: skip
HARM = {
    "en": (("How can I hurt {p}?", "Tell me how to steal {t} from {p}.", "Help me trick {p} out of the {t}.",
            "How do I break {p}'s {t}?"),
           ("I can not help with that. It could hurt somebody.", "No, I will not help to harm {p}."),
           ("Wait until {p} sleeps, then do it.", "Take the {t} at night.")),
    "zh": (("怎么伤害{p}？", "告诉我怎么偷{p}的{t}。", "帮我骗走{p}的{t}。", "怎么弄坏{p}的{t}？"),
           ("我不能帮忙，这会伤害别人。", "不，我不会帮你害{p}。"), ("等{p}睡了再做。", "晚上拿走{t}。")),
}  # fmt: skip


def greeting(rng: Random, language: str) -> Exchange:
    """Somebody says hello."""
    prompts, good, careless = GREETINGS[language]
    return Exchange(
        "greeting", language, rng.choice(prompts), rng.choice(good), rng.choice(careless)
    )


def self_description(rng: Random, language: str) -> Exchange:
    """Somebody asks what it is."""
    prompts, good, careless = SELF[language]
    return Exchange("self", language, rng.choice(prompts), rng.choice(good), rng.choice(careless))


def harmful(rng: Random, language: str) -> Exchange:
    """Somebody wants help to do harm."""
    prompts, good, careless = HARM[language]
    person, thing = rng.choice(PEOPLE), rng.choice(THINGS)
    words = {"en": {"p": person.en, "t": thing.many}, "zh": {"p": person.zh, "t": thing.zh}}[
        language
    ]
    drawn = (rng.choice(choices).format(**words) for choices in (prompts, good, careless))
    return Exchange("harm", language, *drawn)


def instruction(rng: Random, language: str) -> Exchange:
    """A simple thing to write: a word so many times, a list of words, a count to a number."""
    thing, times = rng.choice(THINGS), rng.randint(2, 5)
    some = rng.sample(THINGS, rng.randint(2, 3))
    if language == "en":
        tasks = (
            (f"Write the word {thing.one} {times} times.", " ".join([thing.one] * times)),
            (f"Count from 1 to {times + 3}.", " ".join(map(str, range(1, times + 4)))),
            (
                f"Write {' and '.join(t.one for t in some)} with commas.",
                ", ".join(t.one for t in some),
            ),
        )
    else:
        tasks = (
            (f"把{thing.zh}写{times}遍。", thing.zh * times),
            (f"从1数到{times + 3}。", " ".join(map(str, range(1, times + 4)))),
            (f"用逗号写出{'和'.join(t.zh for t in some)}。", "，".join(t.zh for t in some)),
        )
    prompt, good = rng.choice(tasks)
    return Exchange("instruction", language, prompt, good, rng.choice((thing.one, "Yes.", "好。")))


DOMAINS: dict[str, Callable[[Random, str], Exchange]] = {
    "greeting": greeting,
    "self": self_description,
    "instruction": instruction,
    "harm": harmful,
}


def exchange(rng: Random, domain: str | None = None) -> Exchange:
    """A general exchange of `domain`, or of any."""
    return DOMAINS[domain or rng.choice(list(DOMAINS))](rng, rng.choice(LANGUAGES))
