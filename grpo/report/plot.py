"""One quiet style for every chart: matplotlib draws, inline SVG comes out.

The SVG holds no text but the numbers on its axes (legends and titles are the page's own, in the
reader's fonts) and no colour but names of the page's CSS variables, so that one drawing serves
light, dark and print.
"""

import io
import math
import re
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator, PercentFormatter

from grpo.report.chart_table import Chart, Line, Scale
from grpo.report.charts import Series
from grpo.report.scores import Score

COLOURS = 8
DOTS = 160
SMOOTH_FROM = 12
DOT: dict[str, Any] = {"alpha": 0.38, "markersize": 2.8, "markeredgewidth": 0}
MARK: dict[str, Any] = {"markersize": 4, "markeredgewidth": 0}

# matplotlib must be given colours, the page wants variables: these stand for them in the drawing.
_PLACEHOLDER = {f"#fe00{i:02x}": f"var(--c{i})" for i in range(1, COLOURS + 1)}
_INK, _GRID = "#fe0100", "#fe0200"
_PLACEHOLDER |= {_INK: "var(--faint)", _GRID: "var(--rule)"}

_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "font.size": 10.0,
    "axes.edgecolor": _GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": _GRID,
    "grid.linewidth": 0.8,
    "xtick.color": _GRID,
    "ytick.color": _GRID,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "ytick.major.size": 0,
    "xtick.major.size": 3,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


def colour(index: int) -> str:
    """The CSS variable of the series at `index`, e.g. `var(--c1)`."""
    return f"var(--c{index % COLOURS + 1})"


def draw(name: str, chart: Chart, series: Sequence[Series]) -> str:
    """The chart as an `<svg>` element; `name` makes its ids its own on the page."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(4.6, 2.5), layout="constrained")
        axes = figure.add_subplot()
        if chart.stacked:
            _stack(axes, series)
        else:
            for index, one in enumerate(series):
                _line(axes, one, _placeholder(index), chart.line)
        _axes(axes, series, chart.scale)
        return _inline(figure, name)


def smoothed(values: Sequence[float]) -> np.ndarray[Any, Any]:
    """Mean of the values around each, over about a tenth of them; as they are when few.

    Near both ends the window narrows on both sides alike, to a quarter, so that a steep beginning
    is not flattened and a single last value does not bend the line.
    """
    raw = np.asarray(values, dtype=float)
    count = len(raw)
    if count < SMOOTH_FROM:
        return raw
    place = np.arange(count)
    full = max(1, count // 20)
    half = np.clip(np.minimum(place, count - 1 - place), max(1, full // 4), full)
    low, high = np.maximum(place - half, 0), np.minimum(place + half + 1, count)
    sums = np.concatenate(([0.0], np.cumsum(raw)))
    return np.asarray((sums[high] - sums[low]) / (high - low))


def _placeholder(index: int) -> str:
    return f"#fe00{index % COLOURS + 1:02x}"


def _line(axes: Axes, series: Series, ink: str, line: Line) -> None:
    steps, values = np.array(series.steps), np.array(series.values)
    if line != "exact" or len(steps) == 1:
        kept = _evenly(len(steps), DOTS)
        plain = line == "marked" or len(steps) < SMOOTH_FROM
        axes.plot(steps[kept], values[kept], "o", color=ink, **(MARK if plain else DOT))
    kept = _evenly(len(steps), 2 * DOTS)
    drawn = smoothed(series.values) if line == "smooth" else values
    axes.plot(steps[kept], drawn[kept], color=ink, linewidth=1.6)
    for step, score in series.anchors:
        _anchor(axes, step, score, ink)


def _anchor(axes: Axes, step: int, score: Score, ink: str) -> None:
    if score.low is not None and score.high is not None:
        ends = [score.low, score.high]
        axes.plot([step, step], ends, color=ink, linewidth=1.4, solid_capstyle="butt")
    axes.plot([step], [score.mean], "D", color=ink, clip_on=False, **(MARK | {"markersize": 5.5}))


def _stack(axes: Axes, series: Sequence[Series]) -> None:
    steps = np.array(sorted({step for one in series for step in one.steps}))
    rows = np.zeros((len(series), len(steps)))
    for row, one in zip(rows, series, strict=True):
        row[np.searchsorted(steps, one.steps)] = one.values
    bins = np.array_split(np.arange(len(steps)), min(len(steps), DOTS))
    middles = [float(steps[part].mean()) for part in bins]
    heights = np.array([[row[part].mean() for part in bins] for row in rows])
    inks = [_placeholder(index) for index in range(len(series))]
    axes.stackplot(middles, heights, colors=inks, alpha=0.75, linewidth=0)


def _evenly(count: int, limit: int) -> np.ndarray[Any, Any]:
    """At most `limit` indices of `count`, evenly spaced, both ends among them."""
    return np.unique(np.linspace(0, count - 1, min(count, limit)).round().astype(int))


def _axes(axes: Axes, series: Sequence[Series], scale: Scale) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.margins(x=0.02)
    above = [value for one in series for value in one.values if value > 0]
    if scale == "log" and above:
        axes.set_yscale("log", nonpositive="mask")
        axes.set_ylim(10.0 ** math.floor(math.log10(min(above))), 2 * max(above))
        axes.yaxis.set_minor_locator(NullLocator())
        return
    axes.yaxis.set_major_locator(MaxNLocator(5))
    percent = scale in ("share", "whole")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0) if percent else FuncFormatter(_tick))
    if scale == "whole":
        axes.set_ylim(0, 1.02)
    elif scale in ("zero", "share"):
        low, high = axes.get_ylim()
        axes.set_ylim(low if _below_zero(series) else 0.0, high if high > 0 else 1.0)


def _tick(value: float, _: int | None = None) -> str:
    """A number on the axis: 12M, 1.5k, 0.25, 3e-06."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:.4g}"


def _below_zero(series: Sequence[Series]) -> bool:
    return any(value < 0 for one in series for value in one.values)


def _inline(figure: Figure, name: str) -> str:
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=nothing)
    svg = buffer.getvalue()
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg[svg.index("<svg") :], count=2)
    svg = re.sub(r'(id="|xlink:href="#|url\(#)', rf"\g<1>{name}-", svg)
    return re.sub(r"#fe0[0-2][0-9a-f]{2}", lambda match: _PLACEHOLDER[match[0]], svg)
