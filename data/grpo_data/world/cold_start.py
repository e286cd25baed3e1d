"""The source `tiny:cold_start`: a few long, right, readable thoughts in R1's tags.

R1 began from thousands of such chains. Every one here is right and complete; some notice a slip of
their own and mend it, many check their last step, and a share of them mixes the two languages, so
that a language reward has something to mend.
"""

import re
from random import Random

from grpo_data.conversations import Conversation
from grpo_data.world.case import LANGUAGES, Case
from grpo_data.world.corpus import training_case
from grpo_data.world.thoughts import Habits, Thought, think

DEFAULT_SIZE = 2_000
READABLE = {"slip": 0.0, "correct": 0.1, "check": 0.5}
HAN, LATIN = re.compile(r"[\u4e00-\u9fff]"), re.compile(r"[A-Za-z]")
PURE, MIXING = Habits(**READABLE, switch=0.0), Habits(**READABLE, switch=1.0)


def conversations(
    *, size: int | None = None, seed: int = 0, held_out: float = 0.1, mixed: float = 0.3
) -> list[Conversation]:
    """`size` conversations (2,000 if not given) on problems outside the `held_out` share, of which
    a share `mixed` thinks in both languages. The k-th depends on k and the settings alone.

    Raises ValueError for a share outside [0, 1].
    """
    for name, share in (("held_out", held_out), ("mixed", mixed)):
        if not isinstance(share, int | float) or not 0 <= share <= 1:
            raise ValueError(f"tiny:cold_start: {name} is a share in [0, 1], got {share!r}.")
    return [
        conversation(index, Random(f"cold_start:{seed}:{index}"), held_out, mixed)
        for index in range(DEFAULT_SIZE if size is None else size)
    ]


def conversation(index: int, rng: Random, held_out: float, mixed: float) -> Conversation:
    """One problem and its long answer."""
    case = training_case(rng, held_out)
    language = rng.choice(LANGUAGES)
    is_mixed = rng.random() < mixed
    thought = _mixed(rng, case, language) if is_mixed else think(rng, case, language, PURE)
    problem = case.problem(language)
    return Conversation(
        f"cold-{index}",
        problem.question,
        f"<think>{thought.text}</think><answer>{thought.answer}</answer>",
        case.key,
        {**problem.columns, "answer": problem.answer, "mixed": is_mixed},
    )


def _mixed(rng: Random, case: Case, language: str) -> Thought:
    """A thought with sentences in both languages: one that happened to keep to one is drawn anew."""
    while True:
        thought = think(rng, case, language, MIXING)
        if HAN.search(thought.text) and LATIN.search(thought.text):
            return thought
