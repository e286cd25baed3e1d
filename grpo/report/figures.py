"""The charts of every stage, drawn and captioned, in the order the stages ran."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from grpo.report.chart_table import EVALUATED, LOAD, Chart
from grpo.report.charts import Anchors, Series, charts_of
from grpo.report.heat import draw_heat, heat_of
from grpo.report.plot import colour, draw
from grpo.report.run_directory import RunDirectory
from grpo.report.scores import Score, read_score
from grpo.report.tables import policy_name


@dataclass(frozen=True)
class Figure:
    """A chart drawn: its words, its legend as (colour, label, newest value), its SVG.

    >>> Figure(chart, (("var(--c1)", "reward", "1.82"),), Markup("<svg ..."))
    """

    chart: Chart
    legend: tuple[tuple[str, str, str], ...]
    svg: Markup


@dataclass(frozen=True)
class StageFigures:
    """The figures of one stage, of `steps` logged steps.

    >>> StageFigures("zero", 60, (figure, figure))
    """

    stage: str
    steps: int
    figures: tuple[Figure, ...]


def stage_figures(run: RunDirectory) -> Iterator[StageFigures]:
    """The figures of each stage that logged anything."""
    for number, (stage, lines) in enumerate(run.metrics.items()):
        steps = [line["step"] for line in lines]
        charts = charts_of(lines, anchors_of(run, stage, min(steps), max(steps)))
        drawn = (
            figure_of(f"s{number}c{index}", chart, series)
            for index, (chart, series) in enumerate(charts)
        )
        yield StageFigures(stage, len(steps), (*drawn, *_load_figure(run, stage)))


def anchors_of(run: RunDirectory, stage: str, first: int, last: int) -> Anchors:
    """The full evaluations of the policy the stage began with and of the one it made."""
    began = str(run.stages.get(stage, {}).get("parent", ""))
    places = {began: first - 1, stage: last}
    found = {key: tuple(_scores_at(run, places, key.removeprefix("eval/"))) for key, _ in EVALUATED}
    return {key: scores for key, scores in found.items() if scores}


def _scores_at(run: RunDirectory, places: dict[str, int], name: str) -> Iterator[tuple[int, Score]]:
    for evaluation in run.evaluations:
        score = read_score(evaluation.get("scores"), name)
        if score is not None and policy_name(evaluation) in places:
            yield places[policy_name(evaluation)], score


def _load_figure(run: RunDirectory, stage: str) -> Iterator[Figure]:
    """The heat map of the stage's experts, where it has any."""
    heat = heat_of(run.load.get(stage, ()))
    if heat is not None:
        last_LE = heat.ratio_WLE[-1]
        legend = (
            ("var(--c2)", "above the mean, most", f"{last_LE.max():.2f}x"),
            ("var(--c1)", "below it, least", f"{last_LE.min():.2f}x"),
        )
        yield Figure(LOAD, legend, Markup(draw_heat(heat)))


def figure_of(name: str, chart: Chart, series: Sequence[Series]) -> Figure:
    """The chart with its legend, drawn; `name` makes its ids its own on the page."""
    legend = tuple(
        (colour(index), one.label, _short(one.last, chart)) for index, one in enumerate(series)
    )
    return Figure(chart, legend, Markup(draw(name, chart, series)))


def _short(value: float, chart: Chart) -> str:
    if chart.scale in ("share", "whole"):
        return f"{100 * value:.1f}%"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
