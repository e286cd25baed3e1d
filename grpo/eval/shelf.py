"""The samples of an evaluation on disk: pieces as they come, one file at the end.

A piece is whole or not there, so that a killed evaluation goes on with what is missing. What was
drawn and not yet judged is kept too: drawing is what costs.
"""

import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from grpo.checkpoint.atomic import sweep
from grpo.eval.row import Key, Row, read_rows, write_rows

PIECE_ROWS = 512
PIECE_SECONDS = 5.0


class Shelf:
    """`folder`/samples.parquet, and the pieces in `folder`/samples that it is made of.

    A piece is written once there are PIECE_ROWS samples, or PIECE_SECONDS have passed since the
    last: that much a kill can cost.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / "samples.parquet"
        self._pieces = folder / "samples"
        self._rows: dict[Key, Row] = {}
        self._waiting: list[Row] = []
        self._since = time.monotonic()
        if self._pieces.is_dir():
            sweep(self._pieces)
        for path in [self.file, *self._numbered()]:
            if path.is_file():
                self._take(read_rows(path))

    def rows(self) -> list[Row]:
        """All that are there."""
        return list(self._rows.values())

    def add(self, rows: Iterable[Row]) -> None:
        """Take finished samples; those that are waiting are written when a piece is due."""
        self._waiting += rows
        late = time.monotonic() - self._since > PIECE_SECONDS
        if len(self._waiting) >= PIECE_ROWS or late:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        if self._waiting:
            number = max((int(path.stem) for path in self._numbered()), default=-1) + 1
            write_rows(self._pieces / f"{number:06d}.parquet", self._waiting)
            self._take(self._waiting)
            self._waiting = []
        self._since = time.monotonic()

    def bind(self, rows: Sequence[Row]) -> None:
        """Make samples.parquet of `rows`, all of them in order; the pieces are then gone."""
        write_rows(self.file, rows)
        if self._pieces.is_dir():
            shutil.rmtree(self._pieces)

    def _take(self, rows: Iterable[Row]) -> None:
        """Later rows win: a sample that was kept unjudged and judged afterwards is there twice."""
        self._rows |= {row.key: row for row in rows}

    def _numbered(self) -> list[Path]:
        return sorted(self._pieces.glob("[0-9]*.parquet"))


class NoShelf(Shelf):
    """Samples that are looked at and let go: nothing is written."""

    def __init__(self) -> None:
        self._rows, self._waiting = {}, []

    def add(self, rows: Iterable[Row]) -> None:
        """Keep them in memory."""
        self._take(rows)

    def flush(self) -> None:
        """Nothing waits."""
