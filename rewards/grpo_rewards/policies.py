"""The policies of disputed cases: what is decided by rule, before anything is computed.

docs/answers.md lists them with examples. A policy looks at two readings and says equal, different,
no answer, or nothing. Policies hold on the quick and on the full path alike.
"""

import re
from fractions import Fraction

from grpo_rewards.comparison import Comparison
from grpo_rewards.letters import letter
from grpo_rewards.number import Number, agree, rounds
from grpo_rewards.probe import has_letters, probe
from grpo_rewards.reading import Reading
from grpo_rewards.shapes import parts
from grpo_rewards.units import clash

_LETTERS_OF_A_PRODUCT = 3
_BASED = re.compile(r"-?\s*[0-9A-Z.]+\s*_\s*(?:\{\s*\d+\s*\}|\d+)")
_MARK = re.compile(r"'|\\prime|\\[lc]?dots|\.\.\.")
_FLOAT_ERROR = Fraction(1, 10**15)


def by_policy(gold: Reading, answer: Reading) -> Comparison | None:
    """What the first policy that has a say decides; None where none has."""
    if clash(gold.unit, answer.unit) or _names_differ(gold, answer):
        return Comparison.DIFFERENT
    if gold.canonical == answer.canonical != "":
        return Comparison.EQUAL
    if answer.is_side_by_side:
        return Comparison.BAD_ANSWER
    for policy in (_of_marks, _of_numbers, _of_roundings, _of_words, _of_relations):
        found = policy(gold, answer)
        if found is not None:
            return found
    return None


def _names_differ(gold: Reading, answer: Reading) -> bool:
    """x = 2 is not y = 2; a value without a name, or one of several letters, may be either's."""
    if gold.symbol is None or answer.symbol is None:
        return False
    return gold.symbol.casefold() != answer.symbol.casefold()


def _of_marks(gold: Reading, answer: Reading) -> Comparison | None:
    """What the parser drops without a word: the base of 204_5, the dash of f', dots."""
    if "_" in gold.text or "_" in answer.text:
        first, second = (_BASED.fullmatch(one.text) for one in (gold, answer))
        if first or second:
            same = first and second and _bare(first[0]) == _bare(second[0])
            return _verdict(bool(same))
    differ = len(_MARK.findall(gold.text)) != len(_MARK.findall(answer.text))
    return Comparison.DIFFERENT if differ else None


def _bare(text: str) -> str:
    return re.sub(r"[\s{}]", "", text)


def _of_numbers(gold: Reading, answer: Reading) -> Comparison | None:
    """A number is answered by a number, with nothing left to do."""
    if gold.number is None:
        return None
    if answer.number is None:
        return None if gold.number.decimal and _is_closed(answer) else Comparison.DIFFERENT
    is_sum = answer.number.quotient and "/" in answer.text and not gold.number.quotient
    if is_sum and gold.number.value.denominator == 1:
        return Comparison.DIFFERENT
    if any(one.percent or one.decimal for one in (gold.number, answer.number)):
        return _verdict(agree(gold.number, answer.number))
    return None


def _of_roundings(gold: Reading, answer: Reading) -> Comparison | None:
    """A decimal of enough figures may stand for a root or a multiple of pi, on either side."""
    if gold.number and gold.number.decimal and answer.number is None:
        return _verdict(_rounds_value(gold.number, answer))
    if answer.number and answer.number.decimal and gold.number is None and _is_closed(gold):
        return _verdict(_rounds_value(answer.number, gold))
    return None


def _is_closed(reading: Reading) -> bool:
    """Whether it is an irrational number written out, not a sum to work out."""
    is_irrational = "\\sqrt" in reading.text or "\\pi" in reading.text
    return is_irrational and probe(reading.text) is not None and not has_letters(reading.text)


def _rounds_value(decimal: Number, exact: Reading) -> bool:
    value = probe(exact.text)
    if value is None or value.imag:
        return False
    return rounds(decimal, Fraction(value.real), _FLOAT_ERROR * abs(Fraction(value.real)))


def _of_words(gold: Reading, answer: Reading) -> Comparison | None:
    """Words are text: to a parser an anagram is the same product of letters."""
    if gold.words is None and answer.words is None:
        return None
    if gold.words == answer.words:
        return Comparison.EQUAL
    is_letter = gold.words is not None and len(gold.words) == 1
    if is_letter and answer.words is None and letter(answer.text) == gold.words:
        return Comparison.EQUAL
    may_be_products = all(_may_be_product(one) for one in (gold, answer))
    return None if may_be_products else Comparison.DIFFERENT


def _may_be_product(reading: Reading) -> bool:
    words = reading.words
    return words is None or (
        len(words) <= _LETTERS_OF_A_PRODUCT and words.isascii() and not reading.is_text
    )


def _of_relations(gold: Reading, answer: Reading) -> Comparison | None:
    """A solved relation or a set is not answered by a relation still to be solved."""
    if not answer.is_relation or answer.is_solved:
        return None
    is_set = not gold.is_relation and parts(gold.text) is not None
    return Comparison.DIFFERENT if is_set or (gold.is_relation and gold.is_solved) else None


def _verdict(is_equal: bool) -> Comparison:
    return Comparison.EQUAL if is_equal else Comparison.DIFFERENT
