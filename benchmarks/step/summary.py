"""What a run of the step benchmark comes to: a line a phase, both sides' medians, their ratio."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from step.ratios import Ratio, ratio

PHASES = {
    "sampling": "sampling",
    "rewards": "rewards",
    "logprobs": "log-probs",
    "update": "forward and backward",
    "sync": "weight sync",
}
"""Parts of a step, as the sides name them, in the order they come; others follow these."""


@dataclass(frozen=True)
class Line:
    """One number of the sides' steps. `ratio` is how many times as good ours is: TRL's time or
    memory over ours, our speed over TRL's; None where one side has none of it.

    >>> Line("step", "s", {"ours": 1.21, "trl": 1.48}, Ratio(1.22, 1.15, 1.31))
    """

    name: str
    unit: str
    values: Mapping[str, float]
    ratio: Ratio | None = None


def lines(document: Mapping[str, Any]) -> list[Line]:
    """The lines of one run's document, its warm-up left out."""
    steps = {side: made[document["warmup"] :] for side, made in document["steps"].items()}
    first = [_line(shown, "s", steps, _part(name)) for name, shown in _phases(steps).items()]
    rest = [
        _line("all else", "s", steps, _rest),
        _line("step", "s", steps, lambda step: step["seconds"]),
        _line("completion tokens", "", steps, lambda step: step["completion_tokens"], paired=False),
        _line("tokens a second", "1/s", steps, _speed, more_is_better=True),
        _line("groups that teach", "", steps, lambda step: step["live"], paired=False),
        *_memory(steps),
    ]
    return [*first, *rest]


def line_of(document: Mapping[str, Any], name: str) -> Line:
    """The line of that name."""
    return next(line for line in lines(document) if line.name == name)


def _phases(steps: Mapping[str, Sequence[Any]]) -> dict[str, str]:
    """All parts that any step has, with their names for readers."""
    there = [part for made in steps.values() for step in made for part in step["parts"]]
    return PHASES | {part: part for part in there if part not in PHASES}


def _part(name: str) -> Callable[[Any], float]:
    return lambda step: step["parts"].get(name, 0.0)


def _rest(step: Any) -> float:
    """What is in no part; nothing where parts went on beside one another."""
    return max(0.0, step["seconds"] - sum(step["parts"].values()))


def _speed(step: Any) -> float:
    return step["completion_tokens"] / step["seconds"]


def _memory(steps: Mapping[str, Sequence[Any]]) -> Iterator[Line]:
    """Peaks only grow from step to step, so the last one says it all, and has no spread."""
    for key, name in (("peak_bytes", "peak memory"), ("gpu_peak_bytes", "peak GPU memory")):
        peaks = {side: made[-1][key] / 1e9 for side, made in steps.items()}
        if all(peaks.values()):
            yield Line(name, "GB", peaks, _plain(peaks))


def _plain(values: Mapping[str, float]) -> Ratio | None:
    if len(values) < 2:
        return None
    times = values["trl"] / values["ours"]
    return Ratio(times, times, times)


def _line(
    name: str,
    unit: str,
    steps: Mapping[str, Sequence[Any]],
    value: Callable[[Any], float],
    *,
    paired: bool = True,
    more_is_better: bool = False,
) -> Line:
    values = {side: [value(step) for step in made] for side, made in steps.items()}
    medians = {side: statistics.median(of) for side, of in values.items()}
    # A part of microseconds on one side has a ratio of no meaning.
    is_there = len(medians) == 2 and min(medians.values()) > 1e-3
    if not (paired and is_there):
        return Line(name, unit, medians)
    over, under = ("ours", "trl") if more_is_better else ("trl", "ours")
    return Line(name, unit, medians, ratio(values[over], values[under]))
