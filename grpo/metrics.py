"""metrics.jsonl and its like: a line a step and stage, cut back to a checkpoint's step when a run
resumes."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from grpo.checkpoint.atomic import atomic_write
from grpo.errors import UserError

FLOPS, FLOPS_SO_FAR = "compute/flops", "compute/flops_so_far"
"""What a step computed, and its stage up to there."""


class MetricsFile:
    """Appends lines of JSON to `path`, which is there from the first line on.

    A number that is not finite is written as null: NaN is no JSON, and readers choke on it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def rewind(self, stage: str, step: int = 0) -> None:
        """Forget `stage` from `step` on, the steps no checkpoint remembers; other stages stay."""
        lines = self._lines()
        kept = [line for line in lines if not _is_from(line, stage, step)]
        if kept != lines:
            atomic_write(self.path, b"".join(kept))

    def total(self, stage: str, name: str) -> float:
        """The sum of one of `stage`'s metrics over all steps that are written."""
        return math.fsum(line.get(name) or 0.0 for line in self._of(stage))

    def first(self, stage: str) -> Mapping[str, Any] | None:
        """The first line of `stage`; None where it has none."""
        return next(self._of(stage), None)

    def append(self, stage: str, step: int, values: Mapping[str, Any]) -> None:
        """Write one step's values. Raises UserError where the disk takes no more."""
        finite = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in values.items()
        }
        try:
            with self.path.open("a") as file:
                file.write(json.dumps({"stage": stage, "step": step, **finite}) + "\n")
        except OSError as error:
            raise UserError(
                f"{self.path} cannot be written: {error.strerror}; mend that and run the same "
                "command again, it goes on from the last checkpoint"
            ) from error

    def _lines(self) -> list[bytes]:
        return self.path.read_bytes().splitlines(keepends=True) if self.path.exists() else []

    def _of(self, stage: str) -> Iterator[dict[str, Any]]:
        return (line for line in map(json.loads, self._lines()) if line["stage"] == stage)


def _is_from(line: bytes, stage: str, step: int) -> bool:
    """Whether a line is the stage's at `step` or later, or was cut off by a kill."""
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        return True
    return not line.endswith(b"\n") or (entry["stage"] == stage and entry["step"] >= step)
