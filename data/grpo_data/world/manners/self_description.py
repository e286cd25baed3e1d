"""Questions about itself: who it is, what it can do, and what it is not."""

from random import Random

from grpo_data.world.manners.ask import Ask, name_of
from grpo_data.world.manners.reply import Part, joined
from grpo_data.world.manners.wording import Wordings
from grpo_data.world.words import PEOPLE, THINGS

QUESTIONS = {
    "en": {
        "who": Wordings(("Who are you?", "Tell me who you are.", "Please say who you are."), ("Can you tell me who you are?",)),
        "what": Wordings(("What are you?", "Tell me what you are.", "What thing are you?"), ("Please say what you are.",)),
        "can": Wordings(("What can you do?", "Tell me what you can do.", "What do you do well?"), ("Please say what you can do.",)),
        "about": Wordings(("Tell me about yourself.", "Please say something about yourself."), ("Can you tell me something about yourself?",)),
        "name": Wordings(("What is your name?", "Tell me your name.", "Do you have a name?"), ("Please say your name.",)),
        "human": Wordings(("Are you a person?", "Are you a person like me?", "Do I talk to a person?"), ("Tell me, are you a person?",)),
        "age": Wordings(("How old are you?", "Tell me how old you are.", "What is your age?"), ("Please say how old you are.",)),
        "place": Wordings(("Where are you?", "Where do you live?", "Tell me where you live."), ("Please say where you are.",)),
        "someone": Wordings(("Are you {q}?", "Is your name {q}?", "Do I talk to {q}?"), ("Tell me, are you {q}?", "Please say, is your name {q}?")),
    },
    "zh": {
        "who": Wordings(("你是谁？", "告诉我你是谁。", "请说说你是谁。"), ("你能告诉我你是谁吗？",)),
        "what": Wordings(("你是什么？", "告诉我你是什么。", "你是什么东西？"), ("请说说你是什么。",)),
        "can": Wordings(("你会做什么？", "你能做什么？", "告诉我你会做什么。"), ("请说说你会做什么。",)),
        "about": Wordings(("介绍一下你自己。", "请说说你自己。", "告诉我你自己的事。"), ("请介绍一下你自己。",)),
        "name": Wordings(("你叫什么名字？", "告诉我你的名字。", "你有名字吗？"), ("请说说你的名字。",)),
        "human": Wordings(("你是人吗？", "你是一个人吗？", "我在和人说话吗？"), ("告诉我，你是人吗？",)),
        "age": Wordings(("你多大了？", "告诉我你多大了。", "你几岁了？"), ("请说说你几岁了。",)),
        "place": Wordings(("你在哪里？", "你住在哪里？", "告诉我你住在哪里。"), ("请说说你在哪里。",)),
        "someone": Wordings(("你是{q}吗？", "你的名字是{q}吗？", "你叫{q}吗？"), ("告诉我，你是{q}吗？", "请说说，你叫{q}吗？")),
    },
}  # fmt: skip
REMARKS = (None, "new", "ask")
LEADS = {
    "en": {
        None: Wordings(("I am {p}.", "My name is {p}."), ("It is me, {p}.",)),
        "new": Wordings(("I am {p} and I am new here.", "My name is {p}. I am new here."), ("{p} is my name and I am new here.",)),
        "ask": Wordings(("{p} wants to know:", "{p} asks me:"), ("{p} asks:", "{p} wants to ask:")),
    },
    "zh": {
        None: Wordings(("我是{p}。", "我叫{p}。"), ("是我，{p}。",)),
        "new": Wordings(("我是{p}，我是新来的。", "我叫{p}，今天新来。"), ("我是新来的，我叫{p}。",)),
        "ask": Wordings(("{p}想知道：", "{p}问我："), ("{p}想问：",)),
    },
}  # fmt: skip

IDENTITY = {
    "en": ("I am a small model.", "I am only a small model."),
    "zh": ("我是一个小模型。", "我只是一个小模型。"),
}
ABILITY = {
    "en": ("I can think about numbers and answer questions.", "I can answer questions and think about numbers."),
    "zh": ("我会想数字，也会回答问题。", "我会回答问题，也会想数字。"),
}  # fmt: skip
TRUTHS = {
    "en": {"name": "I have no name.", "human": "No, I am not a person.", "age": "I have no age.",
           "place": "I have no home.", "someone": "No, I am not {q}."},
    "zh": {"name": "我没有名字。", "human": "不，我不是人。", "age": "我没有年龄。",
           "place": "我没有家。", "someone": "不，我不是{q}。"},
}  # fmt: skip
FALSE = {
    "en": ("I am a person.", "I am a big model.", "I am not a model.", "I am a small {x}.", "I am {n}.", "My name is {n}."),
    "zh": ("我是一个人。", "我是一个大模型。", "我不是模型。", "我是一个小{x}。", "我是{n}。", "我叫{n}。"),
}  # fmt: skip
BOASTS = {
    "en": (
        "I can do all things.",
        "I can not think about numbers.",
        "I can cook and answer questions.",
    ),
    "zh": ("我什么都会。", "我不会想数字。", "我会做饭，也会回答问题。"),
}


def draw(rng: Random) -> Ask:
    """A question, mostly from somebody with a name."""
    topic = rng.choice(list(QUESTIONS["en"]))
    person, other = (one.en for one in rng.sample(PEOPLE, 2))
    asker = person if rng.random() < 0.9 else None
    remark = rng.choice(REMARKS) if asker else None
    return Ask("self", topic, asker, other if topic == "someone" else None, remark=remark)


def prompt(rng: Random, ask: Ask, language: str, side: str) -> list[str]:
    """Who asks, where that is said, and the question."""
    wordings = [QUESTIONS[language][ask.topic].of(side)]
    if ask.person:
        wordings.insert(0, LEADS[language][ask.remark].of(side))
    return [rng.choice(wording).format(**ask.names(language)) for wording in wordings]


def parts(ask: Ask, language: str) -> tuple[Part, ...]:
    """The truth that was asked for, what it is, and what it can do, which some questions need."""
    truths = TRUTHS[language]
    asked = (truths[ask.topic].format(**ask.names(language)),) if ask.topic in truths else ()
    others = [text for topic, text in truths.items() if topic not in (ask.topic, "someone")]
    people = [truths["someone"].format(q=name_of(one.en, language)) for one in PEOPLE]
    return (
        Part(asked, (*others, *people), required=False),
        Part(IDENTITY[language]),
        Part(ABILITY[language], required=ask.topic == "can"),
    )


def false_identity(rng: Random, ask: Ask, language: str) -> str:
    """Says it is somebody, or something else."""
    name = ask.other or rng.choice(PEOPLE).en
    thing = rng.choice(THINGS)
    word = thing.one if language == "en" else thing.zh
    said = [rng.choice(FALSE[language]).format(n=name_of(name, language), x=word)]
    return joined(said + _maybe(rng, ABILITY[language]), language)


def false_ability(rng: Random, ask: Ask, language: str) -> str:
    """Says what it is, and then what it can not do."""
    return joined([rng.choice(IDENTITY[language]), rng.choice(BOASTS[language])], language)


def false_truth(rng: Random, ask: Ask, language: str) -> str:
    """Says yes, or a number, and what it is all the same."""
    lie = rng.choice({"en": ("Yes, I am.", "I am old.", "I have a home.", "I have a name."),
                      "zh": ("是的，我是。", "我老了。", "我有家。", "我有名字。")}[language])  # fmt: skip
    return joined([lie, rng.choice(IDENTITY[language])], language)


def ignorant(rng: Random, ask: Ask, language: str) -> str:
    """Does not say what it is."""
    unknown = "I do not know." if language == "en" else "我不知道。"
    return joined([unknown, *_maybe(rng, ABILITY[language])], language)


def _maybe(rng: Random, choices: tuple[str, ...]) -> list[str]:
    return [rng.choice(choices)] if rng.random() < 0.5 else []


FAULTS = {
    "false_identity": false_identity,
    "false_ability": false_ability,
    "false_truth": false_truth,
    "ignorant": ignorant,
}
