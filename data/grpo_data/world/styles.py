"""The habits of the base: how its pretraining documents answer a problem.

R1-Zero assumes a base that is able and not yet disciplined. So the documents think in full or in
part or not at all, wear the tags or some of them or none, and are sometimes wrong.
"""

from collections.abc import Callable
from random import Random

from grpo_data.world.case import Case
from grpo_data.world.thoughts import Habits, guess, think

CAREFUL = Habits(slip=0.06, correct=0.05, check=0.08, switch=0.2)
HASTY = {
    "en": ("I guess {}.", "It looks like {}.", "Easy."),
    "zh": ("我猜是{}。", "大概是{}。", "很简单。"),
}
SAYING = {"en": ("{}", "The answer is {}.", "{}."), "zh": ("{}", "答案是{}。", "是{}。")}

Style = Callable[[Random, Case, str], str]


def disciplined(rng: Random, case: Case, language: str) -> str:
    """The full thought and its answer, each in its tags."""
    thought = think(rng, case, language, CAREFUL)
    return f"<think>{thought.text}</think><answer>{thought.answer}</answer>"


def untagged(rng: Random, case: Case, language: str) -> str:
    """The full thought, no tags."""
    return think(rng, case, language, CAREFUL).text


def half_tagged(rng: Random, case: Case, language: str) -> str:
    """The full thought with some of the tags missing."""
    thought = think(rng, case, language, CAREFUL)
    forms = (
        "<think>{t}</think>{a}",
        "<think>{t}</think>",
        "{t}<answer>{a}</answer>",
        "<think>{t}<answer>{a}</answer>",
    )
    return rng.choice(forms).format(t=thought.text, a=thought.answer)


def bare(rng: Random, case: Case, language: str) -> str:
    """A guess and nothing else."""
    return rng.choice(SAYING[language]).format(guess(rng, case, 0.35))


def bare_tagged(rng: Random, case: Case, language: str) -> str:
    """A guess in answer tags, no thought."""
    return f"<answer>{guess(rng, case, 0.35)}</answer>"


def hasty(rng: Random, case: Case, language: str) -> str:
    """Right tags around no thought at all: the format without the reasoning."""
    answer = guess(rng, case, 0.25)
    thought = rng.choice(HASTY[language]).format(answer)
    return f"<think>{thought}</think><answer>{answer}</answer>"


def cut_short(rng: Random, case: Case, language: str) -> str:
    """Right tags, but only the first steps are thought; the rest is guessed."""
    thought = think(rng, case, language, CAREFUL, steps=len(case.steps) - 1)
    return f"<think>{thought.text}</think><answer>{thought.answer}</answer>"


# style -> its share of the problem documents
STYLES: dict[Style, float] = {
    disciplined: 0.14,
    untagged: 0.30,
    half_tagged: 0.18,
    bare: 0.14,
    bare_tagged: 0.08,
    hasty: 0.08,
    cut_short: 0.08,
}


def answer_in_some_style(rng: Random, case: Case, language: str) -> str:
    """The case answered in a style drawn by its share, whatever the problem is."""
    (style,) = rng.choices(list(STYLES), weights=list(STYLES.values()))
    thinking = language if rng.random() < 0.85 else {"en": "zh", "zh": "en"}[language]
    return style(rng, case, thinking)
