"""A stage's progress: a bar with the time left in a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar

PLAIN_LINES = 25


class Progress:
    """Counts the steps of one stage from `start` to `total`."""

    def __init__(self, name: str, start: int, total: int) -> None:
        self._name, self._step, self._total = name, start, total
        self._console = Console(highlight=False)
        self._every = max(1, -(-(total - start) // PLAIN_LINES))
        self._begun, self._start = time.monotonic(), start
        self._bar: Bar | None = None
        if self._console.is_terminal:
            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._task = self._bar.add_task(name, total=total, completed=start)

    def __enter__(self) -> "Progress":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self, shown: Mapping[str, float]) -> None:
        """One step further; `shown` are the numbers to say beside it."""
        self._step += 1
        if self._bar:
            self._bar.advance(self._task)
        if self._step % self._every == 0 or self._step == self._total:
            self._say(shown)

    def _say(self, shown: Mapping[str, float]) -> None:
        numbers = "  ".join(f"{name} {_short(value)}" for name, value in shown.items())
        line = f"{self._name} {self._step}/{self._total}  {numbers}"
        if not self._bar:
            line += f"  ({self._left()} left)"
        self._console.print(line, soft_wrap=True)

    def _left(self) -> str:
        pace = (time.monotonic() - self._begun) / max(1, self._step - self._start)
        minutes, seconds = divmod(round(pace * (self._total - self._step)), 60)
        return f"{minutes}:{seconds:02d}"


def _short(value: float) -> str:
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
