"""The load of a stage's experts as a heat map: layers down, experts across, first and last steps.

Written as SVG by hand: thousands of cells come to a dozen bytes each, neighbours of one shade are
one shape, and the colours stay the page's variables.
"""

# W = two windows of steps, L = layers with experts, E = experts

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np

Line: TypeAlias = Mapping[str, Any]
Array: TypeAlias = np.ndarray[Any, Any]

SHADES = 10
FULL = 3.0
"""Shades of a colour, and the multiple of the mean load that has the fullest."""

_LEFT, _WIDTH, _GAP, _TOP, _BELOW = 20.0, 148.0, 14.0, 16.0, 14.0
_TALLEST, _FLATTEST, _ROOM = 28.0, 2.5, 150.0


@dataclass(frozen=True)
class Heat:
    """Loads as multiples of their layer's mean, in the `steps` of two windows.

    >>> Heat(steps=("1-6", "55-60"), layers=("1", "2"), ratio_WLE=np.ones((2, 2, 8)))
    """

    steps: tuple[str, ...]
    layers: tuple[str, ...]
    ratio_WLE: Array


def heat_of(lines: Sequence[Line]) -> Heat | None:
    """The first and the last tenth of a stage's load `lines`, each a step or more; None where no
    line can be read."""
    known = [line for line in lines if _counts(line) is not None]
    shape = known and np.shape(known[-1]["load"])
    known = [line for line in known if np.shape(line["load"]) == shape]
    if not known:
        return None
    size = max(1, len(known) // 10)
    windows = [known[:size], known[-size:]] if len(known) > 1 else [known]
    loads = np.array([sum(np.array(one["load"], dtype=float) for one in w) for w in windows])
    means = np.maximum(loads.mean(-1, keepdims=True), 1e-9)
    return Heat(tuple(map(_steps, windows)), _numbers(known[-1]), loads / means)


def draw_heat(heat: Heat) -> str:
    """The heat map as an `<svg>` element: warm above the layer's mean, cool below it."""
    row = min(_TALLEST, max(_FLATTEST, _ROOM / len(heat.layers)))
    height = _TOP + row * len(heat.layers) + _BELOW
    width = _LEFT + 2 * _WIDTH + _GAP
    parts = [
        f'<svg viewBox="0 0 {width:g} {height:g}" font-size="10" fill="var(--faint)">',
        *_labels(heat.layers, row),
    ]
    for place, (steps, ratio_LE) in enumerate(zip(heat.steps, heat.ratio_WLE, strict=True)):
        left = _LEFT + place * (_WIDTH + _GAP)
        parts.append(f'<text x="{left:g}" y="11">{steps}</text>')
        parts += _panel(left, row, ratio_LE)
    return "".join([*parts, "</svg>"])


def _counts(line: Line) -> Array | None:
    """The counts [L, E] of a line; None where it holds no such thing."""
    try:
        counts = np.array(line.get("load"), dtype=float)
    except (TypeError, ValueError):
        return None
    return counts if counts.ndim == 2 and counts.size else None


def _numbers(line: Line) -> tuple[str, ...]:
    """The numbers of a line's layers, counted from 0 where it does not tell."""
    layers, count = line.get("layers"), len(line["load"])
    told = [one for one in layers if isinstance(one, int)] if isinstance(layers, list) else []
    return tuple(map(str, told if len(told) == count else range(count)))


def _steps(window: Sequence[Line]) -> str:
    first, last = window[0]["step"] + 1, window[-1]["step"] + 1
    return f"step {first:,}" if first == last else f"steps {first:,}\N{EN DASH}{last:,}"


def _labels(layers: Sequence[str], row: float) -> Iterator[str]:
    """The layers' numbers, as many as there is room for."""
    every = max(1, round(11.0 / row))
    for place, layer in list(enumerate(layers))[::every]:
        y = _TOP + (place + 0.5) * row + 3.5
        yield f'<text x="{_LEFT - 6:g}" y="{y:.1f}" text-anchor="end">{layer}</text>'


def _panel(left: float, row: float, ratio_LE: Array) -> Iterator[str]:
    layers, experts = ratio_LE.shape
    down = _TOP + row * layers
    yield f'<g transform="translate({left:g} {_TOP:g}) scale({_WIDTH / experts:.4f} {row:g})">'
    for shade, runs in sorted(_runs(ratio_LE).items()):
        colour = "var(--c2)" if shade > 0 else "var(--c1)"
        yield f'<path fill="{colour}" fill-opacity="{abs(shade) / SHADES:g}" d="{"".join(runs)}"/>'
    yield "</g>"
    yield (
        f'<rect x="{left:g}" y="{_TOP:g}" width="{_WIDTH:g}" height="{down - _TOP:g}" '
        'fill="none" stroke="var(--rule)"/>'
    )
    yield f'<text x="{left:g}" y="{down + 11:g}">0</text>'
    end = left + _WIDTH
    yield f'<text x="{end:g}" y="{down + 11:g}" text-anchor="end">{experts - 1}</text>'


def _runs(ratio_LE: Array) -> dict[int, list[str]]:
    """Each shade but the even one, with the shapes of neighbouring cells that have it."""
    found: dict[int, list[str]] = {}
    for layer, ratios in enumerate(ratio_LE):
        at = 0
        for shade, cells in groupby(map(_shade, ratios)):
            length = len(list(cells))
            if shade:
                found.setdefault(shade, []).append(f"M{at} {layer}h{length}v1h-{length}z")
            at += length
    return found


def _shade(ratio: float) -> int:
    """From -SHADES, for an expert that had nothing and no other, over 0 (even) to SHADES."""
    if ratio < 1.0:
        return -SHADES if ratio == 0.0 else -min(SHADES - 1, round(SHADES * (1.0 - ratio)))
    return min(SHADES, round(SHADES * (ratio - 1.0) / (FULL - 1.0)))
