"""pass@k and cons@k against k, a picture a benchmark, in the style of the other charts."""

from collections.abc import Iterator, Mapping
from typing import Any

from grpo.eval.result import Result
from grpo.report.chart_table import Chart
from grpo.report.charts import Series
from grpo.report.figures import Figure, figure_of
from grpo.report.scores import Score, read_score


def curves(result: Result) -> Iterator[Figure]:
    """A figure for every benchmark with more than one sample a question."""
    for place, (name, found) in enumerate(result.benchmarks.items()):
        if found["k"] > 1 and found["pass"]:
            yield figure_of(f"k{place}", Chart(name, "", (), "share", line="marked"), _both(found))


def _both(found: Mapping[str, Any]) -> list[Series]:
    both = [_series(name, found[name.removesuffix("@k")]) for name in ("pass@k", "cons@k")]
    return [series for series in both if series.steps]


def _series(label: str, points: Mapping[str, Any]) -> Series:
    scores = {int(k): score for k in points if (score := read_score(points, k)) is not None}
    return Series(label, (*scores,), tuple(s.mean for s in scores.values()), _ends(label, scores))


def _ends(label: str, scores: Mapping[int, Score]) -> tuple[tuple[int, Score], ...]:
    """Where an interval is drawn: at both ends of pass@k, so that two curves do not run into it."""
    ends = sorted({min(scores), max(scores)}) if scores and label == "pass@k" else []
    return tuple((k, scores[k]) for k in ends)
