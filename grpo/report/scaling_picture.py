"""Test-time scaling as a picture: share of questions answered right against samples a question.

Standing alone it cannot borrow a page's colours, so it takes the report's light ones.
"""

import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter, ScalarFormatter

from grpo.eval.law import Law
from grpo.eval.scaled import Scaled

WIDTH, HEIGHT, LEGEND = 5.2, 3.9, 2.3
"""Inches of a benchmark's panel, and of the legend beside them."""

ACROSS = 3
"""Panels in a row."""


def draw_scaled(found: Sequence[Scaled], path: Path) -> None:
    """Write the curves of every benchmark to `path`, in the format its ending names."""
    with matplotlib.rc_context(style()):
        across = min(ACROSS, len(found))
        down = -(-len(found) // across)
        figure = Figure(figsize=(WIDTH * across + LEGEND, HEIGHT * down), layout="constrained")
        for place, one in enumerate(found, 1):
            _panel(figure.add_subplot(down, across, place), one)
        lines, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(lines, labels, loc="outside right center", frameon=False)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=144)


def _panel(axes: Axes, one: Scaled) -> None:
    curves = one.scaling.curves
    scores = list(dict.fromkeys(name.partition(" by ")[2] for name in curves))
    for name, points in curves.items():
        method, _, score = name.partition(" by ")
        dashed = method == "weighted majority"
        look: dict[str, Any] = {
            "color": _INK if name == "coverage" else f"C{scores.index(score)}",
            "linestyle": (0, (4, 1.6)) if dashed else "solid",
        }
        ks, values = list(points), [point.value for point in points.values()]
        axes.plot(ks, values, marker="o", markersize=3, linewidth=1.6, label=name, **look)
        if not dashed:
            low, high = zip(*((p.low, p.high) for p in points.values()), strict=True)
            axes.fill_between(ks, low, high, color=look["color"], alpha=0.1, linewidth=0)
    if one.scaling.law is not None:
        _law(axes, one.scaling.law, max(curves["coverage"]))
    _axes(axes, one)


def _law(axes: Axes, law: Law, most: int) -> None:
    ks = np.geomspace(1, most, 100)
    said = [law.at(k) for k in ks]
    axes.plot(ks, said, linestyle=(0, (1, 1.5)), color=_INK, label="coverage by its law")


def _axes(axes: Axes, one: Scaled) -> None:
    ks = list(one.scaling.curves["coverage"])
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(ks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(f"samples a question (of {one.questions:,} questions)")
    axes.set_title(f"{one.benchmark}, {one.verdict}", loc="left")


_INK = "#23262a"


def _colours() -> dict[str, str]:
    """The report's light colours by name: {"c1": "#2f6db5", "rule": ...}."""
    css = (files("grpo.report") / "assets" / "report.css").read_text()
    light = css[: css.index("}")]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light))


def style() -> dict[str, Any]:
    """The settings of matplotlib for a picture that stands alone."""
    colours = _colours()
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": "scaling",
        "font.family": "sans-serif",
        "font.size": 10.0,
        "axes.titlesize": 11.0,
        "axes.prop_cycle": cycler(color=[colours[f"c{i}"] for i in range(1, 9)]),
        "axes.edgecolor": colours["rule"],
        "axes.labelcolor": colours["faint"],
        "axes.titlecolor": colours["ink"],
        "text.color": colours["ink"],
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "grid.color": colours["rule"],
        "xtick.color": colours["rule"],
        "ytick.color": colours["rule"],
        "xtick.labelcolor": colours["faint"],
        "ytick.labelcolor": colours["faint"],
        "ytick.major.size": 0,
        "figure.facecolor": colours["card"],
        "axes.facecolor": colours["card"],
    }
