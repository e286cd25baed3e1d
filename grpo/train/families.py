"""Completions of one prompt as a family: the prompt stands once, its completions behind it."""

from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby
from typing import NamedTuple

Ids = Sequence[int]
Family = Sequence[int]
"""Completions of one prompt by their number."""

LAID_OUT = 2
"""How many times the budget attention may lay out: prompts once a completion, and padding."""


def families(prompts: Sequence[Ids], lengths: Sequence[int], budget: int) -> list[list[list[int]]]:
    """Micro-batches of families, the longest sequences first, in each at most `budget` tokens with
    prompts counted once, and at most twice as many as attention lays them out.

    `lengths` are of prompt and completion together. A family beyond the budget goes on in the next
    micro-batch, with its prompt once more; a sequence beyond it has one of its own.
    """
    groups: list[list[list[int]]] = []
    room, longest = 0, 0
    for number in _longest_first(prompts, lengths):
        prompt, length = prompts[number], lengths[number]
        held = groups[-1] if groups else []
        is_known = bool(held) and prompts[held[-1][0]] == prompt
        cost = length - len(prompt) if is_known else length
        laid_out = (sum(map(len, held)) + 1) * max(longest, length)
        if not held or cost > room or laid_out > LAID_OUT * budget:
            groups.append([[number]])
            room, longest = budget - length, length
            continue
        room, longest = room - cost, max(longest, length)
        if is_known:
            held[-1].append(number)
        else:
            held.append([number])
    return groups


class Row(NamedTuple):
    """One row of tokens that families share, and where everything stands in it.

    `firsts` are where completions begin, `befores` where their prompts end, `pieces` the places of
    each sequence's tokens.

    >>> Row(ids=[5, 6, 1, 2], places=[0, 1, 2, 2], firsts=[2, 3], befores=[1, 1],
    ...     pieces=[[0, 1, 2], [0, 1, 3]])
    """

    ids: list[int]
    places: list[int]
    firsts: list[int]
    befores: list[int]
    pieces: list[list[int]]


def in_a_row(held: Sequence[Family], prompts: Sequence[Ids], completions: Sequence[Ids]) -> Row:
    """The families one after the other: each its prompt, then its completions."""
    row = Row([], [], [], [], [])
    for family in held:
        prompt = prompts[family[0]]
        start, end = len(row.ids), len(row.ids) + len(prompt)
        row.ids.extend(prompt)
        row.places.extend(range(len(prompt)))
        tails = [completions[number] for number in family]
        for first, tail in zip(accumulate(map(len, tails[:-1]), initial=end), tails, strict=True):
            row.firsts.append(first)
            row.befores.append(end - 1)
            row.pieces.append([*range(start, end), *range(first, first + len(tail))])
            row.ids.extend(tail)
            row.places.extend(range(len(prompt), len(prompt) + len(tail)))
    return row


def _longest_first(prompts: Sequence[Ids], lengths: Sequence[int]) -> Iterator[int]:
    """Family after family, by the longest sequence of each; the longest first in a family, too."""
    order = sorted(range(len(lengths)), key=lambda i: (prompts[i], -lengths[i], i))
    kin = [list(family) for _, family in groupby(order, key=lambda i: prompts[i])]
    for family in sorted(kin, key=lambda family: (-lengths[family[0]], family[0])):
        yield from family
