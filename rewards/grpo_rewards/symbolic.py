"""Mathematical equality by math-verify and sympy: the slow path, for workers only.

math-verify's own timeouts are switched off (they use SIGALRM, which works in a main thread only):
the deadline of the worker is the one that holds. Each side is parsed as one whole answer, never
searched for something that fits, and what cannot be parsed is never equal to anything.
"""

import logging
from functools import lru_cache
from typing import Any

from math_verify import LatexExtractionConfig, parse, verify

for _name in ("math_verify.parser", "math_verify.grader"):
    logging.getLogger(_name).setLevel(logging.ERROR)

_CONFIG = (LatexExtractionConfig(boxed_match_priority=0),)


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
    if not gold or not answer:
        return False
    try:
        return bool(verify(list(gold), list(answer), timeout_seconds=None, raise_on_error=True))
    except MemoryError:
        raise
    except Exception:
        return False


def warm_up() -> None:
    """Pay for the imports and the parser's tables now, and not in the first sample's deadline."""
    proven_equal(parsed(r"\frac{1}{2}+x"), parsed(r"x+0.5"))
