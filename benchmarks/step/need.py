"""What a step needs at least: the model's operations, and the bytes that must be moved.

The floor of a part is the longer of its operations at the machine's measured speed of a matrix
product and its bytes at that of a copy.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ADAM_PASSES = 7
"""Weights, gradients and two moments are read, all but the gradients written."""


@dataclass(frozen=True)
class Need:
    """Of one part of a step.

    >>> Need("draw", gflop=0.9, gbytes=0.3, seconds=0.66, floor=0.02)
    """

    part: str
    gflop: float
    gbytes: float
    seconds: float
    floor: float


@dataclass(frozen=True)
class Counted:
    """What steps counted, a step: FLOPs by part, the longest completion (tokens), phases (s).

    `weights` are the policy's bytes. With them, and not with caches, is counted what is read.

    >>> Counted({"drawing": 9e8, "reference": 9e8, "policy": 3e9}, 97.0,
    ...         {"sampling": 0.66, "logprobs": 0.1, "update": 0.4}, weights=7_300_000)
    """

    flops: Mapping[str, float]
    longest: float
    seconds: Mapping[str, float]
    weights: int


def needs(counted: Counted, roof: Mapping[str, float], dtype: str) -> Iterator[Need]:
    """Drawing, log-probs of the reference, and gate and update together."""
    gate = counted.seconds.get("update", 0.0)
    reads = {
        # Every token that is drawn is drawn by reading all weights, for all completions at once.
        "drawing": (counted.weights * counted.longest, counted.seconds.get("sampling", 0.0)),
        "reference": (counted.weights, counted.seconds.get("logprobs", 0.0)),
        "policy": (counted.weights * (2 + ADAM_PASSES), gate),
    }
    for part, (moved, seconds) in reads.items():
        gflop, gbytes = counted.flops[part] / 1e9, moved / 1e9
        floor = max(gflop / roof[f"{dtype}_gflops"], gbytes / roof["copy_gbs"])
        yield Need(part, gflop, gbytes, seconds, floor)


def counted(rows: list[Mapping[str, Any]], weights: int) -> Counted:
    """The means over steps: each row is a step's metrics with its `flops/PART`."""

    def mean(name: str) -> float:
        return sum(row.get(name, 0.0) for row in rows) / len(rows)

    parts = ("drawing", "reference", "policy")
    phases = [name for name in rows[0] if name.startswith("time/")]
    return Counted(
        {part: mean(f"flops/{part}") for part in parts},
        mean("completions/max_length"),
        {name.removeprefix("time/"): mean(name) for name in phases},
        weights,
    )
