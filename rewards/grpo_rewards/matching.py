"""Answers of several parts compared part by part, as far as their parts can be.

What holds the parts decides whether their order counts. Where a part stays open, or brackets of
two kinds meet, the whole stays open.
"""

from collections import Counter
from collections.abc import Callable, Iterable

from grpo_rewards.comparison import Comparison
from grpo_rewards.reading import Reading, key, read
from grpo_rewards.shapes import Parts, parts

Judge = Callable[[Reading, Reading], Comparison | None]
_Row = tuple[Comparison | None, ...]


def by_parts(gold: Reading, answer: Reading, judge: Judge) -> Comparison | None:
    """The verdict the parts of the two come to by `judge`; None where they leave it open."""
    expected, given = parts(gold.text), parts(answer.text)
    if expected is None or given is None:
        return None
    if _repeats_differ(expected, given):
        return Comparison.DIFFERENT
    golds, answers = map(read, expected.items), [read(one) for one in given.items]
    table = [tuple(judge(one, other) for other in answers) for one in golds]
    is_union = "union" in (expected.kind, given.kind)  # [0, 1] and [1, 2] make [0, 2]
    if not is_union and any(map(_matches_nothing, (*table, *zip(*table, strict=True)))):
        return Comparison.DIFFERENT
    if expected.kind != given.kind:
        return None
    return _in_order(table, is_union) if expected.has_order or is_union else _in_any_order(table)


def _repeats_differ(expected: Parts, given: Parts) -> bool:
    """Whether a root the reference lists twice is not listed as often; a set has no repeats."""
    if expected.kind or given.kind:
        return False
    first, second = Counter(map(key, expected.items)), Counter(map(key, given.items))
    return any(first[one] > 1 and first[one] != second[one] for one in first)


def _matches_nothing(found: Iterable[Comparison | None]) -> bool:
    return all(one not in (None, Comparison.EQUAL) for one in found)


def _in_order(table: list[_Row], is_union: bool) -> Comparison | None:
    if len(table) != len(table[0]):
        return None if is_union else Comparison.DIFFERENT
    found = [table[at][at] for at in range(len(table))]
    if all(one is Comparison.EQUAL for one in found):
        return Comparison.EQUAL
    has_wrong = any(one not in (None, Comparison.EQUAL) for one in found)
    return Comparison.DIFFERENT if has_wrong and not is_union else None


def _in_any_order(table: list[_Row]) -> Comparison | None:
    """Equal where each part finds one of its own; the first will do, as equality is transitive."""
    free = set(range(len(table[0])))
    for row in table:
        match = next((at for at in sorted(free) if row[at] is Comparison.EQUAL), None)
        if match is None:
            return None
        free.remove(match)
    return None if free else Comparison.EQUAL
