"""From one stage's metrics to the charts they fill.

A chart none of whose keys was logged is left out; a logged key that no chart names gets a chart
of its own at the end, so that nothing logged is hidden.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from grpo.report.chart_table import OTHERS, REWARDS, Chart, outcome_chart
from grpo.report.scores import Score, number

Line: TypeAlias = Mapping[str, Any]
Anchors: TypeAlias = Mapping[str, tuple[tuple[int, Score], ...]]

NOT_CHARTED = {"step", "epoch"}
REST_SHOWN = 40


@dataclass(frozen=True)
class Series:
    """One line of a chart; steps and values are equally long, holes left out.

    `anchors` are (step, score) of full evaluations, drawn with their intervals.

    >>> Series("strict", (10, 20), (0.31, 0.52), ((0, Score(0.18, 0.16, 0.21)),))
    """

    label: str
    steps: tuple[int, ...]
    values: tuple[float, ...]
    anchors: tuple[tuple[int, Score], ...] = ()

    @property
    def last(self) -> float:
        """The newest value: the legend shows it. There must be one."""
        if self.anchors and (not self.steps or self.anchors[-1][0] >= self.steps[-1]):
            return self.anchors[-1][1].mean
        return self.values[-1]


def charts_of(lines: Sequence[Line], anchors: Anchors) -> Iterator[tuple[Chart, list[Series]]]:
    """Every chart that the metrics `lines` of one stage have something for, with its series.

    `anchors` maps an `eval/...` key to the scores of full evaluations.
    """
    keys = _numeric_keys(lines)
    used: set[str] = set()
    for chart in (*REWARDS, *_outcome_charts(keys), *OTHERS):
        matched = list(_matches(chart, [key for key in (*keys, *anchors) if key not in used]))
        used.update(key for key, _ in matched)
        series = [_series(lines, key, label, anchors) for key, label in matched]
        if series := _parts(series) if chart.stacked else series:
            yield chart, series
    rest = [key for key in keys if key not in used | NOT_CHARTED]
    for key in rest[:REST_SHOWN]:
        yield Chart(key, "", ((key, "value"),)), [_series(lines, key, "value", {})]


def _numeric_keys(lines: Sequence[Line]) -> list[str]:
    """Every key that ever held a number, in the order they first came."""
    pairs = (pair for line in lines for pair in line.items())
    return list(dict.fromkeys(key for key, value in pairs if number(value) is not None))


def _outcome_charts(keys: Sequence[str]) -> list[Chart]:
    matches = (re.fullmatch(r"outcomes/(.+)/[^/]+", key) for key in keys)
    return [outcome_chart(name) for name in dict.fromkeys(m[1] for m in matches if m)]


def _matches(chart: Chart, keys: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(key, label) of the `keys` that the chart shows, in the chart's order, each once."""
    seen: set[str] = set()
    for pattern, label in chart.keys:
        regex = re.escape(pattern).replace(r"\*", "(.+)")
        for key in keys:
            if key not in seen and (match := re.fullmatch(regex, key)):
                seen.add(key)
                yield key, match[1] if label == "*" else label


def _series(lines: Sequence[Line], key: str, label: str, anchors: Anchors) -> Series:
    found = [(line["step"], number(line.get(key))) for line in lines]
    known = [(step, value) for step, value in found if value is not None]
    steps, values = tuple(step for step, _ in known), tuple(value for _, value in known)
    return Series(label, steps, values, anchors.get(key, ()))


def _parts(series: list[Series]) -> list[Series]:
    """Series that add up: those always 0 left out, and of a whole called `step` what is left."""
    whole = next((s for s in series if s.label == "step"), None)
    parts = [s for s in series if s is not whole and any(s.values)]
    if whole is None:
        return parts
    if not parts:
        return [whole]
    sums: dict[int, float] = {}
    for part in parts:
        for step, value in zip(part.steps, part.values, strict=True):
            sums[step] = sums.get(step, 0.0) + value
    pairs = zip(whole.steps, whole.values, strict=True)
    left = tuple(max(0.0, value - sums.get(step, 0.0)) for step, value in pairs)
    return [*parts, replace(whole, label="other", values=left)] if any(left) else parts
