"""Several sources in one order: which rows of each make up the batch of a step.

Like `mixture.Stream` a pure function of seed and step. Unlike it, it deals every earlier batch
again to know what is left of each source, which for 10,000 batches is a second or two. Shares that
move with the step are left out: a source comes at its step, and then keeps its share.
"""

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count, islice
from typing import Generic, TypeVar

from grpo_data.mixture import Stream, shuffled

Row = TypeVar("Row")


@dataclass(frozen=True)
class Part(Generic[Row]):
    """`rows` that have `share` of every batch from step `first` on.

    A share of None is a part of what the others leave, in proportion to the number of rows.

    >>> Part(rows, share=0.25, first=1292)
    """

    rows: Sequence[Row]
    share: float | None = None
    first: int = 0


class Blend(Generic[Row]):
    """An endless order over several parts, each in shuffled passes of its own.

    Shares hold over the steps: a quarter of 6 rows is 2, 1, 2, 1, ... rows. Where no part without
    a share has come yet, the shares are scaled to fill the batch. Every pass over a part holds
    each of its rows once, and no row is twice in a batch, unless the part has fewer than the batch
    takes of it.
    """

    def __init__(self, parts: Mapping[str, Part[Row]], seed: int) -> None:
        """Raises ValueError for a part without rows, shares above 1 in sum, and no part at 0."""
        if empty := [name for name, part in parts.items() if not part.rows]:
            raise ValueError(f"a blend needs rows in every part, got none in {', '.join(empty)}.")
        if all(part.first > 0 for part in parts.values()):
            raise ValueError("a blend needs a part that comes at step 0.")
        if (total := sum(_shares(parts).values())) > 1:
            raise ValueError(f"the shares of a blend are 1 at most in sum, got {float(total):g}.")
        self._parts, self._seed = dict(parts), seed
        # Only a memory of work done, for one batch size. Never part of the result.
        self._size, self._next = 0, 0
        self._batches: Iterator[list[Row]] = iter(())
        self._quotas: dict[int, tuple[Iterator[list[str]], list[dict[str, int]]]] = {}
        self._streams: dict[str, Stream[Row]] = {}

    def batch(self, step: int, size: int) -> list[Row]:
        """The `size` rows of `step` (from 0), the parts mixed; the same for the same arguments."""
        if step < 0 or size < 1:
            raise ValueError(f"a batch needs step >= 0 and size >= 1, got {step} and {size}.")
        if size != self._size or step < self._next:
            self._size, self._next, self._batches = size, 0, self._dealt(size)
        skipped, self._next = step - self._next, step + 1
        return next(islice(self._batches, skipped, None))

    def quota(self, step: int, size: int) -> dict[str, int]:
        """How many of the `size` rows of `step` each part has; one that has none is left out."""
        turns, known = self._quotas.setdefault(size, (self._turns(size), []))
        known += [Counter(names) for names in islice(turns, max(0, step + 1 - len(known)))]
        return dict(known[step])

    def row(self, part: str, place: int) -> Row:
        """The row at `place` (from 0) of a part's own passes, for those who take as many of it as
        they need. Two passes are not kept apart here, as `batch` does."""
        if part not in self._streams:
            self._streams[part] = Stream(self._parts[part].rows, f"{self._seed}/{part}")
        return self._streams[part].row("", place)

    def _turns(self, size: int) -> Iterator[list[str]]:
        """Whose turn each row of step 0, 1, 2, ... is."""
        due = dict.fromkeys(self._parts, Fraction(0))
        for step in count():
            shares = self._at(step)
            yield [_most_due(due, shares) for _ in range(size)]

    def _dealt(self, size: int) -> Iterator[list[Row]]:
        """The batches of step 0, 1, 2, ..."""
        decks = {name: _Deck(part, f"{self._seed}/{name}") for name, part in self._parts.items()}
        for names in self._turns(size):
            hands = {name: iter(decks[name].hand(n)) for name, n in Counter(names).items()}
            yield [next(hands[name]) for name in names]

    def _at(self, step: int) -> dict[str, Fraction]:
        """The share of each part that has come by `step`; they are 1 in sum."""
        here = {name: part for name, part in self._parts.items() if part.first <= step}
        shares = _shares(here)
        rows = {name: len(part.rows) for name, part in here.items() if name not in shares}
        given = sum(shares.values(), Fraction(0))
        if not rows:
            return {name: share / given for name, share in shares.items()}
        left = (1 - given) / sum(rows.values())
        return shares | {name: left * number for name, number in rows.items()}


def _shares(parts: Mapping[str, Part[Row]]) -> dict[str, Fraction]:
    """The shares that are given, as the decimals they are written as: 0.1 is a tenth."""
    given = {name: part.share for name, part in parts.items() if part.share is not None}
    return {name: Fraction(str(share)) for name, share in given.items()}


def _most_due(due: dict[str, Fraction], shares: Mapping[str, Fraction]) -> str:
    """Whose turn it is: what a part was owed before and is owed of one row more, less the row."""
    for name, share in shares.items():
        due[name] += share
    chosen = max(shares, key=lambda name: (due[name], name))
    due[chosen] -= 1
    return chosen


class _Deck(Generic[Row]):
    """The rows of one part, dealt from the top and shuffled anew when none is left."""

    def __init__(self, part: Part[Row], salt: str) -> None:
        self._rows, self._salt = part.rows, salt
        self._left: deque[int] = deque()
        self._epoch = 0

    def hand(self, size: int) -> list[Row]:
        """The next `size` rows."""
        held: list[int] = []
        while len(held) < size:
            if not self._left:
                self._shuffle(set(held), size - len(held))
            held.append(self._left.popleft())
        return [self._rows[index] for index in held]

    def _shuffle(self, held: set[int], room: int) -> None:
        """A new pass, its first `room` rows none of those `held`, as far as there are others."""
        order = shuffled(len(self._rows), f"{self._salt}/{self._epoch}/")
        top = [index for index in order if index not in held][:room]
        chosen = set(top)
        self._left = deque([*top, *(index for index in order if index not in chosen)])
        self._epoch += 1
