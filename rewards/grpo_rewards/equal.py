"""Whether an answer equals the reference: the cheap exact path first, then math-verify.

| disputed case                         | policy                                                |
| ------------------------------------- | ----------------------------------------------------- |
| 2/4 for 1/2, \\frac{8}{2} for 4        | equal: the same number                                |
| 3+4 for 7, 2^{10} for 1024, 8/2 for 4 | not equal: arithmetic left to do, as a copied question |
| 3+4=7 for 7, x=7 for 7                | equal: the last side counts                           |
| \\sqrt{17} for 4.123105625617661       | equal: the reference is itself an approximation       |
| 10% for 10 or for 0.1                 | equal                                                 |
| 0.75 for 75; 0.333 for 1/3            | not equal; 0.333333 (six digits) for 1/3 is           |
| units                                 | dropped, not compared: 15 apples for 15               |
| 5 million for 5, "5 or 6" for 5       | not equal                                             |
| 1,000 and 1 000                       | one number, its thousands marked                      |
| 5 6                                   | no answer: two numbers side by side                   |
| words                                 | compared as text without case, never as a product     |
| (1,2) for 1,2; the order of a list    | math-verify's: a pair keeps its order, a set has none |
| empty, refused, unreadable reference  | no verdict                                            |
"""

from enum import Enum
from fractions import Fraction

from grpo_rewards import bounds
from grpo_rewards.clean import canonical, clean, words
from grpo_rewards.number import Number, is_side_by_side, is_undone, number

_LETTERS_OF_A_PRODUCT = 3


class Comparison(Enum):
    """What a comparison came to; the last two say which side was not an answer at all."""

    EQUAL = "equal"
    DIFFERENT = "different"
    BAD_ANSWER = "bad answer"
    BAD_GOLD = "bad gold"


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
    if not gold.strip() or bounds.refusal(gold):
        return Comparison.BAD_GOLD
    if not answer.strip() or bounds.refusal(answer):
        return Comparison.BAD_ANSWER
    if canonical(gold) == canonical(answer) != "":
        return Comparison.EQUAL
    if is_side_by_side(answer):
        return Comparison.BAD_ANSWER
    stated = number(gold)
    return _compare_words(gold, answer) if stated is None else _compare_to(stated, answer)


def compare_symbolically(gold: str, answer: str) -> Comparison:
    """The verdict of math-verify on the two cleaned texts."""
    from grpo_rewards import symbolic  # here, because sympy takes most of a second to import

    gold_reading = symbolic.parsed_gold(clean(gold))
    if not gold_reading:
        return Comparison.DIFFERENT if words(gold) else Comparison.BAD_GOLD
    reading = symbolic.parsed(clean(answer))
    if not reading:
        return Comparison.BAD_ANSWER
    same = symbolic.proven_equal(gold_reading, reading)
    return Comparison.EQUAL if same else Comparison.DIFFERENT


def _compare_to(gold: Number, answer: str) -> Comparison | None:
    stated = number(answer)
    if stated is not None:
        return _compare_numbers(gold, stated)
    approximated = gold.decimal and "sqrt" in answer
    return Comparison.DIFFERENT if is_undone(answer) and not approximated else None


def _compare_numbers(gold: Number, answer: Number) -> Comparison | None:
    """Settled where exact, or where too far apart for any rounding to make up."""
    if answer.quotient and not gold.quotient and gold.value.denominator == 1:
        return Comparison.DIFFERENT
    pairs = [(gold.value, answer.value)]
    if gold.percent and not answer.percent:
        pairs.append((gold.value / 100, answer.value))
    if answer.percent and not gold.percent:
        pairs.append((gold.value, answer.value / 100))
    if any(a == b for a, b in pairs):
        return Comparison.EQUAL
    rounded = gold.decimal or answer.decimal
    near = any(1000 * abs(a - b) <= max(abs(a), Fraction(1)) for a, b in pairs)
    return None if rounded and near else Comparison.DIFFERENT


def _compare_words(gold: str, answer: str) -> Comparison | None:
    """Words are text: to a parser an anagram is the same product of letters."""
    first, second = words(gold), words(answer)
    if first is None or second is None:
        return None
    if first == second:
        return Comparison.EQUAL
    may_be_products = min(len(first), len(second)) <= _LETTERS_OF_A_PRODUCT
    return None if may_be_products and (first + second).isascii() else Comparison.DIFFERENT
