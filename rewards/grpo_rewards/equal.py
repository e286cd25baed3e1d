"""Whether an answer equals the reference: policies first, then exact shortcuts, then math-verify.

docs/answers.md has the policy of every disputed case. Policies hold on both paths; a shortcut only
saves time, and its verdict is the one math-verify would come to.
"""

import cmath
import re
from functools import lru_cache
from itertools import pairwise

from grpo_rewards import bounds
from grpo_rewards.comparison import Comparison as Comparison
from grpo_rewards.matching import by_parts
from grpo_rewards.policies import by_policy
from grpo_rewards.probe import far_apart, probe
from grpo_rewards.reading import Reading, read
from grpo_rewards.shapes import parts

_PLAIN_INTEGER = re.compile(r"-?[0-9]{1,15}")
_INFINITIES = frozenset(("\\infty", "+\\infty", "-\\infty"))


def equal(gold: str, answer: str) -> bool | None:
    """Whether `answer` equals the reference `gold`; None where one of them cannot be read.

    May run sympy without any limit of time: call it in a worker, or `compare_quickly` instead.
    """
    found = compare(gold, answer)
    return found is Comparison.EQUAL if found in (Comparison.EQUAL, Comparison.DIFFERENT) else None


def compare(gold: str, answer: str) -> Comparison:
    """The verdict by the quick path where it has one, else by math-verify (seconds, or worse)."""
    return compare_quickly(gold, answer) or compare_symbolically(gold, answer)


def compare_quickly(gold: str, answer: str) -> Comparison | None:
    """The verdict where text or exact numbers settle it, in microseconds; else None."""
    if _PLAIN_INTEGER.fullmatch(gold) and _PLAIN_INTEGER.fullmatch(answer):
        return Comparison.EQUAL if int(gold) == int(answer) else Comparison.DIFFERENT
    return _unusable(gold, answer) or _settled(gold, answer)


def compare_symbolically(gold: str, answer: str) -> Comparison:
    """The verdict of math-verify on the two readings, once no policy has decided."""
    return _unusable(gold, answer) or _by_algebra(gold, answer)


def _unusable(gold: str, answer: str) -> Comparison | None:
    if not gold.strip() or bounds.refusal(gold):
        return Comparison.BAD_GOLD
    return Comparison.BAD_ANSWER if not answer.strip() or bounds.refusal(answer) else None


@lru_cache(maxsize=8192)
def _settled(gold: str, answer: str) -> Comparison | None:
    return _judged_at_once(*_aligned(read(gold), read(answer)))


def _aligned(gold: Reading, answer: Reading) -> tuple[Reading, Reading]:
    """An equation is compared with an equation: `y = 2x` for `2x - y = 0`, not its side 2x."""
    if answer.is_relation and gold.symbol and gold.number is None:
        return gold.as_equation(), answer
    if gold.is_relation and answer.symbol:
        return gold, answer.as_equation()
    return gold, answer


def _judged_at_once(gold: Reading, answer: Reading) -> Comparison | None:
    return (
        by_policy(gold, answer)
        or by_parts(gold, answer, _judged_at_once)
        or _by_value(gold, answer)
    )


def _by_value(gold: Reading, answer: Reading) -> Comparison | None:
    """Exact numbers compared; and whatever has another value is another answer."""
    pairs = ((gold, answer), (answer, gold))
    if gold.number and answer.number:
        same = gold.number.value == answer.number.value
        return Comparison.EQUAL if same else Comparison.DIFFERENT
    if answer.number and gold.is_relation:
        return Comparison.DIFFERENT
    if any(_value(one) is not None and _is_several(other) for one, other in pairs):
        return Comparison.DIFFERENT
    if gold.canonical in _INFINITIES and answer.canonical in _INFINITIES:
        same = gold.canonical.removeprefix("+") == answer.canonical.removeprefix("+")
        return Comparison.EQUAL if same else Comparison.DIFFERENT
    return Comparison.DIFFERENT if _far_apart(gold, answer) else None


def _is_several(reading: Reading) -> bool:
    """Whether it is surely more than one value."""
    several = parts(reading.text)
    if several is None or several.kind == "union":
        return several is not None
    return any(_far_apart(read(one), read(other)) for one, other in pairwise(several.items))


def _far_apart(first: Reading, second: Reading) -> bool:
    """Whether both have values, and those differ by more than rounding could make them."""
    one, other = _value(first), _value(second)
    if one is None or other is None:
        return False
    return far_apart(one, other) if cmath.isfinite(one - other) else one != other


def _value(reading: Reading) -> complex | None:
    if reading.canonical in _INFINITIES:
        return complex(-cmath.inf if reading.canonical.startswith("-") else cmath.inf)
    return complex(reading.number.value) if reading.number else probe(reading.text)


@lru_cache(maxsize=8192)
def _by_algebra(gold: str, answer: str) -> Comparison:
    from grpo_rewards import symbolic  # here, because sympy takes most of a second to import

    first, second = _aligned(read(gold), read(answer))
    found = _judged_by_policy(first, second)
    if found is not None:
        return found
    gold_reading = symbolic.parsed_gold(_spelt(first))
    if not gold_reading:
        return Comparison.BAD_GOLD
    reading = symbolic.parsed(_spelt(second))
    if not reading:
        return Comparison.BAD_ANSWER
    same = symbolic.proven_equal(gold_reading, reading) and _by_size(first, second) is None
    return Comparison.EQUAL if same else Comparison.DIFFERENT


def _by_size(gold: Reading, answer: Reading) -> Comparison | None:
    """Different where values, or those of parts, are far apart: to sympy all tiny ones are zero."""
    return Comparison.DIFFERENT if _far_apart(gold, answer) else by_parts(gold, answer, _by_size)


def _judged_by_policy(gold: Reading, answer: Reading) -> Comparison | None:
    return by_policy(gold, answer) or by_parts(gold, answer, _judged_by_policy)


def _spelt(reading: Reading) -> str:
    return reading.number.spelt() if reading.number else reading.text
