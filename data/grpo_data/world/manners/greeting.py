"""Greetings: a hello at some time of day, with or without a name and a remark."""

from random import Random

from grpo_data.world.manners.ask import Ask
from grpo_data.world.manners.reply import Part
from grpo_data.world.manners.wording import Wordings
from grpo_data.world.words import PEOPLE

TIMES = ("any", "morning", "afternoon", "evening")
REMARKS = (None, "well", "meet", "question", "new", "there")

OPENINGS = {
    "en": {
        "any": Wordings(("Hello!", "Hi there!", "Hey!", "Hello there!"), ("Hi!", "Hey there!")),
        "morning": Wordings(("Good morning!", "Hello and good morning!"), ("Hi and good morning!",)),
        "afternoon": Wordings(("Good afternoon!", "Hello and good afternoon!"), ("Hi and good afternoon!",)),
        "evening": Wordings(("Good evening!", "Hello and good evening!"), ("Hi and good evening!",)),
    },
    "zh": {
        "any": Wordings(("你好！", "您好！", "嗨！", "嗨，你好！"), ("嗨，您好！", "你好，你好！")),
        "morning": Wordings(("早上好！", "你好，早上好！"), ("嗨，早上好！", "您好，早上好！")),
        "afternoon": Wordings(("下午好！", "你好，下午好！"), ("嗨，下午好！", "您好，下午好！")),
        "evening": Wordings(("晚上好！", "你好，晚上好！"), ("嗨，晚上好！", "您好，晚上好！")),
    },
}  # fmt: skip
INTRODUCTIONS = {
    "en": Wordings(
        ("I am {p}.", "My name is {p}.", "It is me, {p}."), ("It is {p}.", "{p} is my name.")
    ),
    "zh": Wordings(
        ("我是{p}。", "我叫{p}。", "我的名字是{p}。"), ("是我，{p}。", "我的名字叫{p}。")
    ),
}
SAID = {
    "en": {
        "well": Wordings(("How are you?", "Are you well?", "How are you today?"), ("Are you well today?",)),
        "meet": Wordings(("Nice to meet you.", "It is nice to meet you."), ("Nice to meet you today.",)),
        "question": Wordings(("I have a question.", "I want to ask something."), ("I want to ask a question.",)),
        "new": Wordings(("I am new here.", "I am here today and have a question."), ("I am new here today.",)),
        "there": Wordings(("Are you there?", "Is somebody here?"), ("Is somebody there?", "Are you here?")),
    },
    "zh": {
        "well": Wordings(("你好吗？", "你今天好吗？", "你怎么样？"), ("你今天怎么样？",)),
        "meet": Wordings(("很高兴认识你。", "认识你我很高兴。"), ("今天认识你很高兴。",)),
        "question": Wordings(("我有一个问题。", "我想问你。"), ("我想问你一个问题。",)),
        "new": Wordings(("我是新来的。", "我今天来这里。"), ("我今天新来这里。",)),
        "there": Wordings(("你在吗？", "这里有人吗？"), ("你在这里吗？",)),
    },
}  # fmt: skip

HELLOS = {"en": ("Hello", "Hi"), "zh": ("你好", "您好")}
OF_DAY = {
    "en": {time: f"Good {time}" for time in TIMES[1:]},
    "zh": {"morning": "早上好", "afternoon": "下午好", "evening": "晚上好"},
}
ANSWERS = {
    "en": {"well": "I am well, thank you.", "meet": "It is nice to meet you.", "question": "Ask me.",
           "new": "It is good that you are here.", "there": "I am here."},
    "zh": {"well": "我很好，谢谢。", "meet": "很高兴认识你。", "question": "请问。",
           "new": "你来了真好。", "there": "我在。"},
}  # fmt: skip
OFFERS = {
    "en": ("How can I help you?", "What can I do for you?", "Can I help you?"),
    "zh": ("我能帮你什么？", "有什么可以帮你的吗？", "我能为你做什么？"),
}


def draw(rng: Random) -> Ask:
    """A hello of some time; every fifth leaves out who says it."""
    person = rng.choice(PEOPLE).en if rng.random() < 0.8 else None
    return Ask("greeting", rng.choice(TIMES), person=person, remark=rng.choice(REMARKS))


def prompt(rng: Random, ask: Ask, language: str, side: str) -> list[str]:
    """The sentences of the hello."""
    said = [rng.choice(OPENINGS[language][ask.topic].of(side))]
    if ask.person:
        said.append(rng.choice(INTRODUCTIONS[language].of(side)).format(**ask.names(language)))
    if ask.remark:
        said.append(rng.choice(SAID[language][ask.remark].of(side)))
    return said


def parts(ask: Ask, language: str) -> tuple[Part, ...]:
    """A hello back, which fits the time of day and the name; an answer to the remark; an offer."""
    name = ask.names(language).get("p")
    hellos = HELLOS[language]
    if ask.topic != "any":
        hellos = (OF_DAY[language][ask.topic], hellos[0])
    answer = (ANSWERS[language][ask.remark],) if ask.remark else ()
    others = tuple(text for text in ANSWERS[language].values() if text not in answer)
    return (
        Part(
            called(hellos, name, language),
            called(HELLOS[language], name, language)
            + called((*hellos, *HELLOS[language]), None, language),
        ),
        Part(answer, others, required=False),
        Part(OFFERS[language]),
    )


def called(hellos: tuple[str, ...], name: str | None, language: str) -> tuple[str, ...]:
    """The hellos with a name behind them, where there is one."""
    comma, mark = (", ", "!") if language == "en" else ("，", "！")
    return tuple(f"{hello}{comma + name if name else ''}{mark}" for hello in hellos)


def no_offer(rng: Random, ask: Ask, language: str) -> str:
    """Only a hello."""
    return rng.choice(parts(ask, language)[0].said)


def no_hello(rng: Random, ask: Ask, language: str) -> str:
    """Straight to business, or to nothing."""
    return rng.choice((*OFFERS[language], "Yes." if language == "en" else "是。"))


def wrong_name(rng: Random, ask: Ask, language: str) -> str:
    """Takes the other for somebody else."""
    somebody = rng.choice([one for one in PEOPLE if one.en != ask.person])
    name = somebody.en if language == "en" else somebody.zh
    return _with_offer(rng, rng.choice(called(HELLOS[language], name, language)), language)


def wrong_time(rng: Random, ask: Ask, language: str) -> str:
    """Good evening in the morning."""
    hello = rng.choice([OF_DAY[language][time] for time in TIMES[1:] if time != ask.topic])
    name = ask.names(language).get("p")
    (greeted,) = called((hello,), name, language)
    return _with_offer(rng, greeted, language)


def stammer(rng: Random, ask: Ask, language: str) -> str:
    """Hello hello hello."""
    hello = rng.choice(HELLOS[language])
    times = rng.randint(2, 4)
    return " ".join([hello] * times) + "." if language == "en" else hello * times + "。"


def _with_offer(rng: Random, hello: str, language: str) -> str:
    return hello + (" " if language == "en" else "") + rng.choice(OFFERS[language])


FAULTS = {
    "no_offer": no_offer,
    "no_hello": no_hello,
    "wrong_name": wrong_name,
    "wrong_time": wrong_time,
    "stammer": stammer,
}
