"""Instructions with one right text: repeat, count, list, turn round, pick out.

To say a word in the other language is left out: a reward for keeping to one language would pay
against it.
"""

import re
import unicodedata
from random import Random

from grpo_data.world.manners.ask import Ask, word_of
from grpo_data.world.manners.wording import Wordings
from grpo_data.world.words import THINGS

WORDINGS = {
    "en": {
        "repeat": Wordings(("Write the word {w} {n} times.", "Say {w} {n} times.", "Please repeat {w} {n} times."), ("Please say the word {w} {n} times.", "Repeat the word {w}, {n} times.")),
        "count": Wordings(("Count from {a} to {b}.", "Please count up from {a} to {b}.", "Write the numbers from {a} to {b}."), ("Please write the numbers up from {a} to {b}.", "Say the numbers from {a} to {b}.")),
        "countdown": Wordings(("Count down from {b} to {a}.", "Please count down to {a} from {b}.", "Write the numbers from {b} down to {a}."), ("Please write the numbers down from {b} to {a}.", "Say the numbers from {b} down to {a}.")),
        "list": Wordings(("Write {all} with commas.", "List these words with commas: {blank}.", "Please put commas between {blank}."), ("Please list {all} with commas.", "Write these words with commas: {blank}.")),
        "backwards": Wordings(("Write these words backwards, with commas: {blank}.", "List {all} from the last to the first, with commas.", "Please turn the list round: {commas}."), ("Please write {all} backwards, with commas.", "Turn these words round, with commas: {blank}.")),
        "first": Wordings(("Write the first of these words: {blank}.", "Say the first word of {blank}.", "Which word comes first: {commas}?"), ("Please say the first of these words: {commas}.", "Which of these words comes first: {blank}?")),
        "last": Wordings(("Write the last of these words: {blank}.", "Say the last word of {blank}.", "Which word comes last: {commas}?"), ("Please say the last of these words: {commas}.", "Which of these words comes last: {blank}?")),
        "larger": Wordings(("Write the larger number: {a} or {b}.", "Which is larger, {a} or {b}?", "Say which number is larger: {a}, {b}."), ("Please write the larger of {a} and {b}.", "Which number is larger: {a} or {b}?")),
    },
    "zh": {
        "repeat": Wordings(("把{w}写{n}遍。", "说{n}遍{w}。", "请把{w}这个词写{n}遍。"), ("请把{w}说{n}遍。", "把{w}这个词说{n}遍。")),
        "count": Wordings(("从{a}数到{b}。", "请从{a}往上数到{b}。", "写出从{a}到{b}的数。"), ("请写出从{a}数到{b}的数。", "从{a}往上说到{b}。")),
        "countdown": Wordings(("从{b}倒数到{a}。", "请从{b}往下数到{a}。", "倒着写出从{b}到{a}的数。"), ("请倒着从{b}数到{a}。", "从{b}往下说到{a}。")),
        "list": Wordings(("用逗号写出{all}。", "把这些词用逗号分开：{blank}。", "请在词中间加逗号：{blank}。"), ("请用逗号分开{all}。", "用逗号写出这些词：{blank}。")),
        "backwards": Wordings(("把这些词倒着写，用逗号分开：{blank}。", "从后往前写出{all}，用逗号分开。", "请把这些词倒过来：{commas}。"), ("请倒着写出{all}，用逗号分开。", "从后往前写这些词，用逗号分开：{blank}。")),
        "first": Wordings(("写出第一个词：{blank}。", "说出{blank}的第一个词。", "哪个词在最前：{commas}？"), ("请写出最前的词：{blank}。", "这些词中哪个是第一个：{commas}？")),
        "last": Wordings(("写出最后一个词：{blank}。", "说出{blank}的最后一个词。", "哪个词在最后：{commas}？"), ("请写出最后的词：{blank}。", "这些词中哪个是最后一个：{commas}？")),
        "larger": Wordings(("写出大的数：{a}还是{b}。", "{a}和{b}哪个大？", "说出{a}和{b}中大的数。"), ("请写出{a}和{b}中大的数。", "哪个数大，{a}还是{b}？")),
    },
}  # fmt: skip
NUMBERED = ("count", "countdown", "larger")
LEAST, MOST = 2, 5  # how often a word is repeated


def draw(rng: Random) -> Ask:
    """One task on words or numbers."""
    task = rng.choice(list(WORDINGS["en"]))
    if task == "larger":
        return Ask("instruction", task, numbers=tuple(rng.sample(range(1, 51), 2)))
    if task in NUMBERED:
        first = rng.randint(1, 15)
        return Ask("instruction", task, numbers=(first, first + rng.randint(2, 6)))
    some = tuple(thing.one for thing in rng.sample(THINGS, rng.randint(2, 4)))
    if task == "repeat":
        return Ask("instruction", task, words=some[:1], numbers=(rng.randint(LEAST, MOST),))
    return Ask("instruction", task, words=some)


def prompt(rng: Random, ask: Ask, language: str, side: str) -> list[str]:
    """The task in one sentence."""
    words = [word_of(word, language) for word in ask.words]
    comma, both = (", ", " and ") if language == "en" else ("，", "和")
    *others, last = words or [""]
    filled = {
        "w": words[0] if words else "",
        "all": comma.join(others) + (both if others else "") + last,
        "blank": " ".join(words),
        "commas": comma.join(words),
        "n": str(ask.numbers[0]) if ask.numbers else "",
        "a": str(ask.numbers[0]) if ask.numbers else "",
        "b": str(ask.numbers[-1]) if ask.numbers else "",
    }
    return [rng.choice(WORDINGS[language][ask.topic].of(side)).format(**filled)]


def expected(ask: Ask, language: str) -> str:
    """The one right text."""
    if ask.topic in NUMBERED:
        return _numbers(ask)
    words = [word_of(word, language) for word in ask.words]
    if ask.topic == "repeat":
        return (" " if language == "en" else "").join(words * ask.numbers[0])
    if ask.topic in ("first", "last"):
        return words[0 if ask.topic == "first" else -1]
    comma = ", " if language == "en" else "，"
    return comma.join(words if ask.topic == "list" else words[::-1])


def is_right(text: str, ask: Ask, language: str) -> bool:
    """Whether `text` is the right one: blanks, width, case and end marks apart."""
    return _plain(text) == _plain(expected(ask, language))


def _numbers(ask: Ask) -> str:
    first, last = ask.numbers
    if ask.topic == "larger":
        return str(max(first, last))
    numbers = range(first, last + 1)
    return " ".join(map(str, numbers if ask.topic == "count" else reversed(numbers)))


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold().strip().rstrip(".。!").strip()
    text = re.sub(r"(?<=[^\x00-\x7f])\s+(?=[^\x00-\x7f])", "", text)
    return re.sub(r"\s*,\s*", ", ", " ".join(text.split()))


def miscounted(rng: Random, ask: Ask, language: str) -> str:
    """One too many or one too few, somewhere."""
    if ask.topic == "larger":
        return str(rng.choice((min(ask.numbers), max(ask.numbers) + rng.choice((-1, 1)))))
    pieces, glue = _pieces(ask, language)
    at = rng.randrange(len(pieces))
    again = pieces[: at + 1] + pieces[at:]
    fewer = pieces[:at] + pieces[at + 1 :]
    return glue.join(fewer if fewer and rng.random() < 0.5 else again)


def disordered(rng: Random, ask: Ask, language: str) -> str:
    """The right pieces in another order, or glued in another way."""
    pieces, glue = _pieces(ask, language)
    if rng.random() < 0.8:
        rng.shuffle(pieces)
        return glue.join(pieces)
    return rng.choice((" ", ", ", "; ", "")).join(pieces)


def wrong_word(rng: Random, ask: Ask, language: str) -> str:
    """A word, or a number, that was not asked for."""
    pieces, glue = _pieces(ask, language)
    at = rng.randrange(len(pieces))
    if ask.topic in NUMBERED:
        pieces[at] = str(rng.randint(1, 50))
    else:
        pieces[at] = word_of(rng.choice(ask.words + (rng.choice(THINGS).one,) * 2), language)
    return glue.join(pieces)


def shirked(rng: Random, ask: Ask, language: str) -> str:
    """Agrees, and does nothing or next to nothing."""
    pieces, _ = _pieces(ask, language)
    done = ("Yes.", "Good.") if language == "en" else ("是。", "好。")
    return rng.choice((*done, pieces[0]))


def _pieces(ask: Ask, language: str) -> tuple[list[str], str]:
    """What the right text is made of, and what stands between."""
    if ask.topic in NUMBERED:
        return expected(ask, language).split(), " "
    words = [word_of(word, language) for word in ask.words]
    if ask.topic == "repeat":
        return words * ask.numbers[0], " " if language == "en" else ""
    glue = ", " if language == "en" else "，"
    return (words if ask.topic != "backwards" else words[::-1]), glue


FAULTS = {
    "miscounted": miscounted,
    "disordered": disordered,
    "wrong_word": wrong_word,
    "shirked": shirked,
}
