"""The tiny world: worded problems in English and Chinese that a tiny policy can learn to solve.

Everything is drawn from a seed by `random.Random`, so the same seed gives the same world on any
machine; `problems` is the data source behind `tiny:KIND,KIND,...`.
"""

from random import Random

from grpo_data.problem import Problem
from grpo_data.world.case import LANGUAGES
from grpo_data.world.kinds import KINDS

DEFAULT_SIZE = 20_000
EXHAUSTED = 20_000  # draws in a row that bring nothing new: there is nothing new


def problems(kinds: str = "all", *, size: int | None = None, seed: int = 0) -> list[Problem]:
    """`size` problems of the named kinds, in both languages, no arithmetic twice.

    `kinds` is a comma-separated list of keys of KINDS, or "all". The k-th problem depends on
    the kinds, the seed and k alone, so a longer list begins with the shorter one. A kind that
    has fewer problems gives those it has ("shop" has about a thousand).
    """
    names = list(KINDS) if kinds == "all" else kinds.split(",")
    unknown = [name for name in names if name not in KINDS]
    if unknown:
        raise ValueError(f"tiny:{kinds}: no kind {unknown[0]!r}; there are {', '.join(KINDS)}")
    rng = Random(f"problems:{seed}:{','.join(names)}")
    drawn: dict[str, Problem] = {}
    fruitless = 0
    while len(drawn) < (size or DEFAULT_SIZE) and fruitless < EXHAUSTED:
        case = KINDS[rng.choice(names)](rng)
        language = rng.choice(LANGUAGES)
        fruitless = fruitless + 1 if case.key in drawn else 0
        drawn.setdefault(case.key, case.problem(language))
    return list(drawn.values())
