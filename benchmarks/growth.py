"""How a step's time grows: with completions, length, group, and parameters.

One run of ours with a stage a point, completions that do not end, and a reward by which no group is
dead, so that a point's tokens are what they are meant to be.

    python benchmarks/growth.py
"""

import json
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent))

from step.endless import endless
from step.fit import fit
from step.place import place
from step.shapes import WIDTHS, write_llama
from step.spec import SPREAD, Spec, our_problems, write_problems
from step_time import OUT, number, write

BASE = Spec("data/models/tiny-base", "tiny:all")
WANTED = 0.15
LONGEST = 256
ALL = "tokens, all"


@dataclass(frozen=True)
class Point:
    """One size: what was asked for, and what its steps took, medians in seconds.

    >>> Point("length", 64, prompts=4, group=8, max_tokens=64, parameters=2_290_000,
    ...       tokens=2048.0, seconds=0.8, sync=0.02)
    """

    axis: str
    x: int
    prompts: int = 4
    group: int = 8
    max_tokens: int = 64
    parameters: int = 0
    tokens: float = 0.0
    seconds: float = 0.0
    sync: float = 0.0

    @property
    def name(self) -> str:
        """The stage's."""
        return f"{self.axis}-{self.x}"


def main(
    steps: Annotated[int, typer.Option(help="Measured steps a point.")] = 3,
    out: Annotated[Path, typer.Option(help="A JSON file of the numbers.")] = OUT / "growth.json",
) -> None:
    """Measure, fit, print a line an axis."""
    document = measured(steps)
    show(document)
    write(out, document)


def measured(steps: int = 3) -> dict[str, Any]:
    """All points, and the lines through those of each axis."""
    found = place()
    with TemporaryDirectory() as folder, ProcessPoolExecutor(1, get_context("spawn")) as pool:
        points: list[Point] = pool.submit(_run, Path(folder), steps).result()
    return {
        "name": "growth",
        "place": found,
        "points": [asdict(point) for point in points],
        "fits": {name: asdict(line) for name, line in _fits(points)},
    }


def show(document: Mapping[str, Any]) -> None:
    """Print a line an axis."""
    table = Table("grows with", "from - to", "tokens", "seconds", "a line is off by at most")
    for row in rows(document):
        table.add_row(*row)
    console = Console(highlight=False)
    console.print(table, f"Wanted: linear in tokens within {WANTED:.0%}.")


def rows(document: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """A line an axis: its name, range, tokens, seconds, and how far a straight line is off."""
    for name, line in document["fits"].items():
        axis, is_sync = name.removesuffix(", sync"), name.endswith(", sync")
        axes = ("completions", "length", "group") if name == ALL else (axis,)
        points = [point for point in document["points"] if point["axis"] in axes]
        ends = "" if name == ALL else _range([point["x"] for point in points])
        tokens = _range([p["tokens"] for p in points])
        seconds = _range([p["sync" if is_sync else "seconds"] for p in points])
        yield name, ends, tokens, seconds, f"{line['deviation']:.0%}"


def _range(values: Sequence[float]) -> str:
    return f"{number(min(values))} - {number(max(values))}"


def _points() -> Iterator[Point]:
    yield from (Point("completions", 8 * n, prompts=n) for n in (2, 4, 8, 16))
    yield from (Point("length", n, max_tokens=n) for n in (32, 64, 128, LONGEST))
    yield from (Point("group", n, group=n) for n in (4, 8, 16, 32))
    yield from (Point("parameters", width, prompts=8) for width in WIDTHS)


def _run(folder: Path, steps: int) -> list[Point]:
    """Make the models, run the recipe, read what its stages took; in a process of its own."""
    from grpo.pipeline import run
    from grpo.recipe.load import parse_recipe

    base = endless(BASE.model, folder / "base")
    sizes = {w: write_llama(w, base, folder / f"llama-{w}") for w in WIDTHS}
    write_problems(BASE, folder)
    points = list(_points())
    run(parse_recipe(_recipe(points, folder, steps)), folder / "run")
    lines = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").open()]
    return [_measured(point, lines, sizes.get(point.x, 0)) for point in points]


def _measured(point: Point, lines: Sequence[Mapping[str, Any]], parameters: int) -> Point:
    """The point with what its stage's steps took, the first left out."""
    mine = [line for line in lines if line["stage"] == point.name][1:]
    asked = asdict(point) | {
        "tokens": mine[0]["completions/mean_length"] * point.prompts * point.group,
        "seconds": statistics.median(line["time/step"] for line in mine),
        "sync": statistics.median(line["time/sync"] for line in mine),
    }
    if point.axis == "parameters":
        asked |= {"x": parameters, "parameters": parameters}
    return Point(**asked)


def _fits(points: Sequence[Point]) -> Iterator[tuple[str, Any]]:
    """The lines: by tokens along each axis and along all three, by parameters for the last."""
    of = {
        axis: [p for p in points if p.axis == axis]
        for axis in dict.fromkeys(p.axis for p in points)
    }
    grown = of.pop("parameters")
    for axis, along in of.items():
        yield axis, fit([p.tokens for p in along], [p.seconds for p in along])
    together = [p for along in of.values() for p in along]
    yield ALL, fit([p.tokens for p in together], [p.seconds for p in together])
    yield "parameters", fit([p.x for p in grown], [p.seconds for p in grown])
    yield "parameters, sync", fit([p.x for p in grown], [p.sync for p in grown])


def _recipe(points: Sequence[Point], folder: Path, steps: int) -> str:
    head = f"""
name: growth
model: {{path: {folder / "base"}}}
data: {{path: {our_problems(folder)}, held_out: 0}}
rewards: {{"{SPREAD}": 1.0}}
sampler: {{max_model_len: {256 + LONGEST}, max_num_seqs: 128, kv_cache_gib: 1.0}}
track: {{to: []}}
stages:
"""
    return head + "".join(_stage(point, folder, steps) for point in points)


def _stage(point: Point, folder: Path, steps: int) -> str:
    parent = folder / f"llama-{point.x}" if point.axis == "parameters" else "base"
    return f"""
  - name: {point.name}
    kind: rl
    parent: {parent}
    steps: {steps + 1}
    prompts: {point.prompts}
    group_size: {point.group}
    sampling: {{max_tokens: {point.max_tokens}}}
    checkpoint: {{every: 100000}}
"""


if __name__ == "__main__":
    typer.run(main)
