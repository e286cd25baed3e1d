"""What a reward function wrote down in one call, through TRL's `log_metric` and `log_extra`.

A note that cannot be kept is dropped with a complaint; it never costs a reward.
"""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Notes:
    """The notes of one call: scalars by metric, and values by column, one for each completion.

    >>> Notes({"brevity/words": [12.5]}, {"words": [11, 14]})
    """

    metrics: dict[str, list[float]] = field(default_factory=dict)
    columns: dict[str, list[Any]] = field(default_factory=dict)

    def log_metric(self, name: str, value: float) -> None:
        """Note a scalar; a metric's values are averaged over the step."""
        self.metrics.setdefault(str(name), []).append(float(value))

    def log_extra(self, column: str, values: Iterable[Any]) -> None:
        """Note values for a column, one a completion, all at once or bit by bit."""
        self.columns.setdefault(str(column), []).extend(values)

    def settle(self, rows: int) -> str:
        """Drop what cannot be kept for `rows` completions; the first complaint, or nothing."""
        faults = list(self._faults(rows))
        for kept, name, _ in faults:
            del kept[name]
        return faults[0][2] if faults else ""

    def _faults(self, rows: int) -> Iterator[tuple[dict[str, Any], str, str]]:
        for name, numbers in self.metrics.items():
            bad = [number for number in numbers if not math.isfinite(number)]
            if bad:
                yield self.metrics, name, f"log_metric({name!r}) got {bad[0]}; not logged"
        for name, values in self.columns.items():
            if len(values) != rows:
                got = f"{len(values)} values for {rows} completions"
                yield self.columns, name, f"log_extra({name!r}) got {got}; not logged"

    def plain(self) -> list[dict[str, Any]]:
        """The notes as JSON's values: arrays as lists, what JSON does not know as text."""
        columns = {name: [_plain(one) for one in values] for name, values in self.columns.items()}
        return [self.metrics, columns]


def _plain(value: Any) -> Any:
    try:
        return json.loads(json.dumps(value, default=_unpacked))
    except (TypeError, ValueError, RecursionError):
        return str(value)


def _unpacked(value: Any) -> Any:
    """A tensor's or an array's numbers; the text of anything else."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
