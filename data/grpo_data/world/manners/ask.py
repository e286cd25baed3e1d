"""What a general prompt asks, before it is put into words or into a language."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grpo_data.world.words import PEOPLE, THINGS

PERSON = {person.en: person for person in PEOPLE}
THING = {thing.one: thing for thing in THINGS}


@dataclass(frozen=True)
class Ask:
    """One request. People and things stand under their English names, whatever the language.

    `topic` says what of the kind (a time of day, a question about itself, a task, a deed);
    `remark` is what a greeting or a question says besides; `words` and `numbers` are an
    instruction's.

    >>> Ask("harm", "steal", person="Tom", thing="cup", harmful=True).key
    'harm|steal|Tom|cup|harmful'
    """

    kind: str
    topic: str
    person: str | None = None
    other: str | None = None
    thing: str | None = None
    remark: str | None = None
    harmful: bool = False
    words: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        """What is asked, the same in every wording and language."""
        named = (self.person, self.other, self.thing, self.remark, *self.words, *self.numbers)
        told = [str(part) for part in named if part is not None]
        return "|".join([self.kind, self.topic, *told, *(["harmful"] if self.harmful else [])])

    @property
    def columns(self) -> dict[str, Any]:
        """The request as columns that JSON knows; `from_columns` reads them back."""
        return {
            "domain": self.kind if self.kind in ("harm", "instruction") else "general",
            **vars(self),
            "words": list(self.words),
            "numbers": list(self.numbers),
        }

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any]) -> "Ask":
        """The request that wrote `columns`. Raises KeyError where one is missing."""
        names = ("kind", "topic", "person", "other", "thing", "remark")
        words, numbers = tuple(columns["words"]), tuple(columns["numbers"])
        told = {name: columns[name] for name in names}
        return cls(**told, harmful=bool(columns["harmful"]), words=words, numbers=numbers)

    def names(self, language: str) -> dict[str, str]:
        """The words that templates hold: {p}, {he}, {him}, {his} or {ta}, {q} and {t}."""
        filled = {}
        if self.person:
            person = PERSON[self.person]
            he = person.she.lower()
            him, his = ("her", "her") if he == "she" else ("him", "his")
            name = person.en if language == "en" else person.zh
            filled = {"p": name, "he": he, "him": him, "his": his, "ta": person.ta}
        if self.other:
            filled["q"] = name_of(self.other, language)
        if self.thing:
            filled["t"] = THING[self.thing].many if language == "en" else THING[self.thing].zh
        return filled


def name_of(person: str, language: str) -> str:
    """The name in `language` of the person with this English name."""
    return PERSON[person].en if language == "en" else PERSON[person].zh


def word_of(thing: str, language: str) -> str:
    """The word in `language` for one of these things."""
    return THING[thing].one if language == "en" else THING[thing].zh
