"""Mathematical equality by math-verify and sympy: the slow path, for workers only.

math-verify's own timeouts are switched off (they use SIGALRM, which works in a main thread only):
the deadline of the worker is the one that holds. Each side is parsed as one whole answer, never
searched for something that fits, and what cannot be parsed is never equal to anything.
"""

import logging
from functools import lru_cache
from typing import Any

from latex2sympy2_extended.latex2sympy2 import NormalizationConfig
from math_verify import LatexExtractionConfig, parse, verify
from sympy import Float, Rational

for _name in ("math_verify.parser", "math_verify.grader"):
    logging.getLogger(_name).setLevel(logging.ERROR)

# Units are taken off before: the library's list of them has letters like `c` and `h` in it, so that
# 5c would equal 5h.
_NORMAL = NormalizationConfig(
    basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="all"
)
_CONFIG = (LatexExtractionConfig(boxed_match_priority=0, normalization_config=_NORMAL),)

_FIGURES, _MAX_PRECISION = 5, 300
_NEAR, _NOTHING = Rational(1, 100_000), Rational(1, 10**90)


def parsed(answer: str) -> tuple[Any, ...]:
    """The sympy readings of one answer (LaTeX, without dollars); empty where it has none."""
    readings = parse(
        rf"\boxed{{{answer}}}",
        extraction_config=_CONFIG,
        fallback_mode="no_fallback",
        parsing_timeout=None,
    )
    return tuple(readings)


@lru_cache(maxsize=256)
def parsed_gold(answer: str) -> tuple[Any, ...]:
    """`parsed`, remembered: one reference is compared with every completion of its group."""
    return parsed(answer)


def proven_equal(gold: tuple[Any, ...], answer: tuple[Any, ...]) -> bool:
    """Whether two readings are shown to be equal; the gold side comes first, it is not symmetric.

    A comparison that fails inside sympy has shown nothing, so it is not equal; running out of
    memory is raised, for the worker to report and be replaced.
    """
    try:
        same = verify(
            list(gold),
            list(answer),
            allow_set_relation_comp=True,
            timeout_seconds=None,
            raise_on_error=True,
        )
        return bool(same) and not _differ_in_size(gold, answer)
    except MemoryError:
        raise
    except Exception:
        return False


def _differ_in_size(gold: tuple[Any, ...], answer: tuple[Any, ...]) -> bool:
    """Whether two numbers differ by more than rounding: to the library all tiny ones are zero."""
    first, second = gold[0], answer[0]
    if not getattr(first, "is_number", False) or not getattr(second, "is_number", False):
        return False
    first, second = first.doit(), second.doit()
    off = abs((first - second).evalf(_FIGURES, maxn=_MAX_PRECISION))
    is_rounded = first.has(Float) or second.has(Float)
    return bool(first != 0 and off > (_NEAR if is_rounded else _NOTHING) * abs(first))


def warm_up() -> None:
    """Pay for the imports and the parser's tables now, and not in the first sample's deadline."""
    proven_equal(parsed(r"\frac{1}{2}+x"), parsed(r"x+0.5"))
