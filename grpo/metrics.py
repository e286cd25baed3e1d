"""metrics.jsonl: a line a step, cut back to a checkpoint's offset when a run resumes."""

import json
import math
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path

from grpo.errors import UserError


class MetricsFile:
    """Appends lines of JSON to `path`.

    A number that is not finite is written as null: NaN is no JSON, and readers choke on it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    @property
    def offset(self) -> int:
        """Bytes written so far."""
        return self.path.stat().st_size

    def rewind(self, offset: int) -> None:
        """Forget everything after `offset`: lines of steps that no checkpoint remembers."""
        with self.path.open("r+b") as file:
            file.truncate(offset)

    def forget(self, stage: str) -> None:
        """Forget `stage`, the last one here, from its first line on: it begins anew."""
        mine = json.dumps({"stage": stage}).removesuffix("}").encode() + b","
        lines = self.path.read_bytes().splitlines(keepends=True)
        others = takewhile(lambda line: line.endswith(b"\n") and not line.startswith(mine), lines)
        self.rewind(sum(map(len, others)))

    def append(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Write one step's metrics. Raises UserError where the disk takes no more."""
        finite = {k: v if math.isfinite(v) else None for k, v in values.items()}
        try:
            with self.path.open("a") as file:
                file.write(json.dumps({"stage": stage, "step": step, **finite}) + "\n")
        except OSError as error:
            raise UserError(
                f"{self.path} cannot be written: {error.strerror}; mend that and run the same "
                "command again, it goes on from the last checkpoint"
            ) from error
