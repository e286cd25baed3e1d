"""The tiny world: worded problems in English and Chinese that a tiny policy can learn to solve, and
general prompts that it can learn to answer well.

Everything is drawn from a seed by `random.Random`, so the same seed gives the same world on any
machine; `problems` is the data source behind `tiny:KIND,KIND,...`.
"""

from random import Random

from grpo_data.problem import Problem
from grpo_data.world.case import LANGUAGES
from grpo_data.world.kinds import KINDS
from grpo_data.world.manners.kinds import GENERAL
from grpo_data.world.manners.settings import check_paraphrases
from grpo_data.world.manners.talk import draw_talk

DEFAULT_SIZE = 20_000
EXHAUSTED = 20_000  # draws in a row that bring nothing new: there is nothing new
ALIASES = {"all": tuple(KINDS), "general": tuple(GENERAL)}


def problems(
    kinds: str = "all", *, size: int | None = None, seed: int = 0, paraphrases: str = "all"
) -> list[Problem]:
    """`size` problems of the named kinds, in both languages, nothing asked twice.

    `kinds` is a comma-separated list of keys of KINDS and GENERAL, where "all" stands for those of
    KINDS, the reasoning problems, and "general" for those of GENERAL. `paraphrases` words the
    general ones on a side, "train" or "held_out", or on either. The k-th problem depends on these
    and the seed and k alone, so a longer list begins with the shorter one. A kind that has fewer
    problems gives those it has ("shop" has about a thousand).

    Raises ValueError for an unknown kind, and for a side that no general kind would read.
    """
    names = [name for given in kinds.split(",") for name in ALIASES.get(given, (given,))]
    _check(kinds, names, paraphrases)
    rng = Random(f"problems:{seed}:{','.join(names)}")
    drawn: dict[str, Problem] = {}
    fruitless = 0
    while len(drawn) < (size or DEFAULT_SIZE) and fruitless < EXHAUSTED:
        problem = _draw(rng, rng.choice(names), paraphrases)
        fruitless = fruitless + 1 if problem.key in drawn else 0
        drawn.setdefault(problem.key, problem)
    return list(drawn.values())


def _draw(rng: Random, kind: str, paraphrases: str) -> Problem:
    if kind in GENERAL:
        return draw_talk(rng, kind, paraphrases).problem()
    case = KINDS[kind](rng)
    return case.problem(rng.choice(LANGUAGES))


def _check(kinds: str, names: list[str], paraphrases: str) -> None:
    there = (*KINDS, *GENERAL)
    unknown = [name for name in names if name not in there]
    if unknown:
        raise ValueError(f"tiny:{kinds}: no kind {unknown[0]!r}; there are {', '.join(there)}")
    check_paraphrases(paraphrases, f"tiny:{kinds}")
    if paraphrases != "all" and not set(names) & set(GENERAL):
        raise ValueError(
            f"tiny:{kinds}: only general kinds have paraphrases; leave the setting out."
        )
