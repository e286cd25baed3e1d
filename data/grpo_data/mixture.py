"""The order in which training meets its rows: a pure function of the seed and the step.

There is no iterator and no state to save: a resumed run asks for batch 731 and gets batch 731.
Weights between several sources are left out (`blend` has them for the domains of problems); a
source that should count double is given twice.
"""

import hashlib
from collections.abc import Sequence
from typing import Generic, TypeVar

Row = TypeVar("Row")


class Stream(Generic[Row]):
    """An endless stream of shuffled passes (epochs) over N `rows`, cut into batches.

    A row is a problem, or a conversation. Every epoch holds every row once. The order hangs on
    (seed, epoch, N) by a hash, not by a random generator, so that no library or Python version
    changes it.
    """

    def __init__(self, rows: Sequence[Row], seed: int | str) -> None:
        """Raises ValueError for no rows at all."""
        if not rows:
            raise ValueError("a stream needs at least one row, got none.")
        self._rows = tuple(rows)
        self._seed = seed
        # Only a memory of work done: two epochs, for one batch size. Never part of the result.
        self._size = 0
        self._orders: dict[int, list[int]] = {}

    def batch(self, step: int, size: int) -> list[Row]:
        """The `size` rows of `step` (from 0), the same for the same seed, step and size.

        A batch may straddle two epochs; no row is in it twice, unless N < `size`.
        """
        if step < 0 or size < 1:
            raise ValueError(f"a batch needs step >= 0 and size >= 1, got {step} and {size}.")
        if size != self._size:
            self._size, self._orders = size, {}
        places = (divmod(index, len(self._rows)) for index in range(step * size, (step + 1) * size))
        return [self._rows[self._order(epoch)[position]] for epoch, position in places]

    def quota(self, step: int, size: int) -> dict[str, int]:
        """How many of the `size` rows of `step` each part has; all are of one, without name."""
        return {"": size}

    def row(self, part: str, place: int) -> Row:
        """The row at `place` (from 0) of the stream, for those who take as many as they need.

        Two passes are not kept apart here: the last row of one may be the first of the next.
        """
        return self.batch(place, 1)[0]

    def _order(self, epoch: int) -> list[int]:
        """Positions in `rows`, in the order of this epoch for the batch size at hand."""
        if epoch not in self._orders:
            for earlier in range(self._start(epoch), epoch + 1):
                self._orders[earlier] = self._arranged(earlier)
                self._orders.pop(earlier - 2, None)
        return self._orders[epoch]

    def _start(self, epoch: int) -> int:
        """The earliest epoch that must be known to arrange this one."""
        if epoch - 1 in self._orders:
            return epoch
        # `_arranged` alters no more than the first `size` places, so of two batches or more the
        # end is as shuffled, and one epoch back is enough. Fewer, and the chain reaches epoch 0.
        return max(0, epoch - 1) if len(self._rows) >= 2 * self._size else 0

    def _arranged(self, epoch: int) -> list[int]:
        """The shuffled epoch, its head cleared of what the straddling batch already holds."""
        order = self._shuffled(epoch)
        begun = epoch * len(self._rows) % self._size
        if not begun or len(self._rows) < self._size or epoch - 1 not in self._orders:
            return order
        held = set(self._orders[epoch - 1][-begun:])
        head = [index for index in order if index not in held][: self._size - begun]
        chosen = set(head)
        return head + [index for index in order if index not in chosen]

    def _shuffled(self, epoch: int) -> list[int]:
        return shuffled(len(self._rows), f"{self._seed}/{epoch}/")


def shuffled(count: int, salt: str) -> list[int]:
    """The numbers below `count` in the order that `salt` gives them."""
    head = salt.encode()

    def rank(index: int) -> bytes:
        return hashlib.blake2b(head + str(index).encode(), digest_size=8).digest()

    return sorted(range(count), key=rank)
