"""The words of the tiny world, each in English and Chinese."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Person:
    """Somebody in a story; `she` and `ta` are the pronouns."""

    en: str
    zh: str
    she: str
    ta: str


@dataclass(frozen=True)
class Thing:
    """Something that can be counted; `one` is the English singular."""

    one: str
    many: str
    zh: str


PEOPLE = (
    Person("Mia", "小美", "She", "她"),
    Person("Tom", "小明", "He", "他"),
    Person("Ana", "小安", "She", "她"),
    Person("Leo", "小李", "He", "他"),
    Person("Lily", "小丽", "She", "她"),
    Person("Sam", "小山", "He", "他"),
    Person("Rosa", "小红", "She", "她"),
    Person("Ben", "小本", "He", "他"),
)

THINGS = (
    Thing("apple", "apples", "苹果"),
    Thing("shell", "shells", "贝壳"),
    Thing("book", "books", "本子"),
    Thing("card", "cards", "卡片"),
    Thing("egg", "eggs", "鸡蛋"),
    Thing("coin", "coins", "硬币"),
    Thing("pen", "pens", "铅笔"),
    Thing("cup", "cups", "杯子"),
    Thing("ball", "balls", "皮球"),
    Thing("cake", "cakes", "蛋糕"),
)


def people(rng: Random, count: int) -> list[Person]:
    """`count` different people."""
    return rng.sample(PEOPLE, count)


def things(rng: Random, count: int) -> list[Thing]:
    """`count` different things."""
    return rng.sample(THINGS, count)
