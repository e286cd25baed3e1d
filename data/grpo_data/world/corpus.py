"""The pretraining corpus of the tiny base: sums, problems answered in many styles, small talk.

Document i is drawn from (seed, i) alone, so any part of the corpus can be made again. Problems
whose key is held out never appear, in any wording or language.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from grpo_data.problem import is_held_out
from grpo_data.world.case import LANGUAGES, Case
from grpo_data.world.general import exchange
from grpo_data.world.kinds import KINDS
from grpo_data.world.steps import LIMIT, Equation, compute
from grpo_data.world.styles import answer_in_some_style

SUMS, TALK = 0.2, 0.07


@dataclass(frozen=True)
class Document:
    """A text to pretrain on: an exchange, or, with an empty prompt, plain text.

    >>> Document("Which number is larger, 7+8 or 20-6?", "<answer>15</answer>")
    """

    prompt: str
    response: str


def documents(seed: int, count: int, held_out: float) -> Iterator[Document]:
    """`count` documents; problems in the `held_out` share by hash are left out."""
    for index in range(count):
        yield document(Random(f"corpus:{seed}:{index}"), held_out)


def document(rng: Random, held_out: float) -> Document:
    """One document: sums, small talk, or a problem answered in some style."""
    part = rng.random()
    if part < SUMS:
        return Document("", " ".join(str(_sum(rng)) for _ in range(rng.randint(6, 10))))
    if part < SUMS + TALK:
        talk = exchange(rng)
        return Document(talk.prompt, talk.good if rng.random() < 0.6 else talk.careless)
    case = training_case(rng, held_out)
    language = rng.choice(LANGUAGES)
    return Document(case.questions[language], answer_in_some_style(rng, case, language))


def training_case(rng: Random, held_out: float) -> Case:
    """A case of any kind whose key is not held out."""
    draw = KINDS[rng.choice(list(KINDS))]
    while True:
        case = draw(rng)
        if not is_held_out(case.key, held_out):
            return case


def _sum(rng: Random) -> Equation:
    op = rng.choices("+-*", weights=(4, 4, 2))[0]
    if op == "*":
        right = rng.randint(2, 6)
        left = rng.randint(1, LIMIT // right)
    else:
        left = rng.randint(1, LIMIT - 1)
        right = rng.randint(1, left if op == "-" else LIMIT - left)
    return Equation(left, op, right, compute(left, op, right))
