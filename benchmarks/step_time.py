"""A GRPO step of ours beside TRL's: same model, problems, group, lengths, dtype, one update.

Each side lives in a process of its own and waits at a gate, so that they take turns, step by step,
and a slow minute of the machine hits both. `make bench` does this for all models and settings.

    python benchmarks/step_time.py tiny-float32
    python benchmarks/step_time.py smollm2-best --our stages.zero.tokens_per_microbatch=4096
    python benchmarks/step_time.py tiny-float32 --only trl --trl use_cpu=true
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent))

from step.pairs import PAIRS, sides
from step.place import place
from step.roof import machine_roof
from step.spec import REWARDS, Spec
from step.summary import Line, lines
from step.turns import one_by_one, step_by_step

OUT = Path("runs/bench")


def main(
    name: Annotated[str, typer.Argument(help="A pair of step/pairs.py.")] = "tiny-float32",
    steps: Annotated[int, typer.Option(help="Measured steps a side.")] = 5,
    warmup: Annotated[int, typer.Option(help="Steps before them.")] = 1,
    prompts: Annotated[int | None, typer.Option(help="None: the pair's.")] = None,
    group: int = 8,
    max_tokens: int = 128,
    ends: Annotated[bool | None, typer.Option(help="May completions end before that?")] = None,
    lively: Annotated[bool, typer.Option(help="A reward by which no group is dead.")] = True,
    apart: Annotated[bool, typer.Option(help="One side after the other, without halts.")] = False,
    only: Annotated[str | None, typer.Option(help="ours or trl: one side alone.")] = None,
    processes: Annotated[int | None, typer.Option(help="A side; None: the pair's.")] = None,
    our: Annotated[list[str] | None, typer.Option(help="KEY=VALUE of our recipe.")] = None,
    trl: Annotated[list[str] | None, typer.Option(help="KEY=VALUE of GRPOConfig.")] = None,
    out: Annotated[Path | None, typer.Option(help="The JSON file.")] = None,
) -> None:
    """Measure a pair, print the table, file every step."""
    sizes = {"group": group, "max_tokens": max_tokens, "steps": steps + warmup}
    sizes |= {} if prompts is None else {"prompts": prompts}
    sizes |= {} if processes is None else {"processes": processes}
    asked = {
        side: _told(spec, {"ours": our, "trl": trl}[side] or [], lively)
        for side, spec in sides(name, **sizes).items()
        if only in (None, side)
    }
    document = measured(name, asked, warmup=warmup, ends=ends, apart=apart)
    show(document)
    write(out or OUT / f"{name}.json", document)


def measured(
    name: str,
    asked: Mapping[str, Spec],
    *,
    warmup: int = 1,
    ends: bool | None = None,
    apart: bool = False,
) -> dict[str, Any]:
    """Make the steps; the run as a document. Without a word on `ends` they are the pair's."""
    ends = PAIRS[name].ends if ends is None else ends
    found = {"place": place(), "roof": machine_roof()}
    taken = (one_by_one if apart else step_by_step)(asked, ends=ends)
    return {
        "name": name,
        **found,
        "ends": ends,
        "apart": apart,
        "warmup": warmup,
        "specs": {side: asdict(spec) for side, spec in asked.items()},
        "steps": {side: [asdict(step) for step in made] for side, made in taken.items()},
    }


def show(document: Mapping[str, Any]) -> None:
    """Print the run as a table."""
    Console(highlight=False).print(table(document))


def table(document: Mapping[str, Any]) -> Table:
    """Medians by phase, and how many times as good ours is."""
    found = Table(f"{document['name']}: median", *document["steps"], "ours is better by (95%)")
    for line in lines(document):
        found.add_row(line_name(line), *map(number, line.values.values()), str(line.ratio or ""))
    return found


def line_name(line: Line) -> str:
    """With its unit."""
    return f"{line.name}, {line.unit}" if line.unit else line.name


def number(value: float) -> str:
    """Three digits that count, whole numbers as they are, and no exponent."""
    is_whole = value == round(value) or abs(value) >= 100
    return f"{value:,.0f}" if is_whole else f"{value:#.3g}"


def write(path: Path, document: Mapping[str, Any]) -> None:
    """File it as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1))


def _told(spec: Spec, more: list[str], lively: bool) -> Spec:
    knobs = dict(spec.knobs) | dict(knob.split("=", 1) for knob in more)
    return replace(spec, knobs=knobs, **({} if lively else {"rewards": REWARDS}))


if __name__ == "__main__":
    typer.run(main)
