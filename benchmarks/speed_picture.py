"""The pictures of docs/speed.md: where a step's time goes on either side, and what is learnt."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from step.summary import PHASES, lines

from grpo.report.scaling_picture import style

ELSE = "all else"
BAR = 0.36


def draw_steps(runs: Sequence[Mapping[str, Any]], path: Path) -> None:
    """A panel a run: both sides' medians by phase, TRL's step being 100%."""
    with matplotlib.rc_context(style() | {"axes.grid.axis": "x"}):
        figure = Figure(figsize=(7.4, 1.2 + 0.75 * len(runs)), layout="constrained")
        axes = figure.add_subplot()
        for place, run in enumerate(runs):
            _bars(axes, run, place)
        axes.set_yticks(range(len(runs)), [run["name"] for run in runs])
        axes.invert_yaxis()
        axes.xaxis.set_major_formatter(PercentFormatter())
        axes.set_xlabel("of TRL's step; above ours, below TRL's")
        handles, labels = axes.get_legend_handles_labels()
        shown = dict(zip(labels, handles, strict=True))
        figure.legend(
            shown.values(), shown.keys(), loc="outside upper center", ncols=3, frameon=False
        )
        _save(figure, path)


def _bars(axes: Axes, run: Mapping[str, Any], place: int) -> None:
    found = {line.name: line.values for line in lines(run)}
    whole = found["step"]["trl"]
    for side, offset in (("ours", -BAR / 2), ("trl", BAR / 2)):
        left = 0.0
        for index, phase in enumerate([*PHASES.values(), ELSE]):
            share = 100 * found[phase][side] / whole
            colour = f"C{index}"
            axes.barh(place + offset, share, 0.9 * BAR, left, color=colour, label=phase)
            left += share


def draw_curves(runs: Mapping[str, Sequence[Mapping[str, Any]]], path: Path) -> None:
    """Reward against step: every seed thin, a side's mean thick."""
    with matplotlib.rc_context(style()):
        figure = Figure(figsize=(6.2, 3.4), layout="constrained")
        axes = figure.add_subplot()
        for index, (side, name) in enumerate({"ours": "ours", "trl": "TRL"}.items()):
            rewards = [[step["reward"] for step in run["steps"]] for run in runs[side]]
            for one in rewards:
                axes.plot(one, color=f"C{index}", alpha=0.3, linewidth=0.8)
            means = [statistics.fmean(at) for at in zip(*rewards, strict=True)]
            axes.plot(_smooth(means), color=f"C{index}", linewidth=2, label=f"{name}, mean")
        axes.set_xlabel("step")
        axes.set_ylabel("reward")
        axes.legend(frameon=False, loc="lower right")
        _save(figure, path)


def _smooth(values: Sequence[float], width: int = 5) -> np.ndarray[Any, Any]:
    """Means of `width` neighbours, of fewer at the ends."""
    kernel = np.ones(min(width, len(values)))
    return np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=144)
