"""Pairs about reasoning problems: the right answer, said clearly, and a wrong or a careless one.

The thoughts stand there for a model that sees whole responses; one that sees only what follows the
thought judges the answer's clearness, and the number as far as it can.
"""

from random import Random

from grpo_data.preferences import Preference
from grpo_data.world.case import LANGUAGES, Case
from grpo_data.world.corpus import training_case
from grpo_data.world.thoughts import Habits, slip, think

CLEAN = Habits(slip=0.0, correct=0.0, check=0.2, switch=0.0)
HEDGES = {
    "en": ("I guess {}.", "It looks like {}.", "{} or {more}.", "Yes."),
    "zh": ("我猜是{}。", "大概是{}。", "{}或者{more}。", "是。"),
}


def reasoning_pair(rng: Random, name: str, held_out: float) -> Preference:
    """One pair about a problem outside the held-out share."""
    case = training_case(rng, held_out)
    language = rng.choice(LANGUAGES)
    thought = think(rng, case, language, CLEAN)
    fault = rng.choice(("wrong", "vague", "bare", "repeated"))
    problem = case.problem(language)
    return Preference(
        name,
        problem.question,
        _tagged(thought.text, f"<answer>{case.answer}</answer>"),
        _tagged(thought.text, _spoilt(rng, case, language, fault)),
        case.key,
        {**problem.columns, "answer": problem.answer, "fault": fault},
    )


def _spoilt(rng: Random, case: Case, language: str, fault: str) -> str:
    off = max(0, case.answer + slip(rng))
    wrong = off if off != case.answer else case.answer + 1
    if fault == "wrong":
        return f"<answer>{wrong}</answer>"
    if fault == "bare":
        return str(rng.choice((case.answer, wrong)))
    if fault == "repeated":
        return f"<answer>{case.answer}</answer>" * rng.randint(2, 3)
    return f"<answer>{rng.choice(HEDGES[language]).format(case.answer, more=wrong)}</answer>"


def _tagged(thought: str, answer: str) -> str:
    return f"<think>{thought}</think>{answer}"
