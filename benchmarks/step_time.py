"""A GRPO step of ours beside TRL's: same model, problems, group, lengths, dtype, one update.

Each side lives in a process of its own and waits at a gate, so that they take turns, step by step,
and a slow minute of the machine hits both. Everything of the first steps is warm-up.

    python benchmarks/step_time.py --model data/models/tiny-base --data tiny:all
    python benchmarks/step_time.py --model models/smollm2-135m --data mawps.jsonl --steps 5
"""

import json
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent))

from step import ours, theirs
from step.spec import Spec, Step, problem_file

SIDES = {"ours": ours.serve, "trl": theirs.serve}
PARTS = ("sampling", "rewards", "logprobs", "update", "sync")


def main(
    model: Annotated[str, typer.Option(help="A folder with weights.")] = "data/models/tiny-base",
    data: Annotated[str, typer.Option(help="Problems, as a recipe names them.")] = "tiny:all",
    prompts: int = 8,
    group: int = 8,
    max_tokens: int = 128,
    steps: Annotated[int, typer.Option(help="Measured steps a side.")] = 5,
    warmup: int = 1,
    dtype: str = "float32",
    only: Annotated[str | None, typer.Option(help="ours or trl: one side alone.")] = None,
    our: Annotated[list[str] | None, typer.Option(help="KEY=VALUE of our recipe.")] = None,
    trl: Annotated[list[str] | None, typer.Option(help="KEY=VALUE of GRPOConfig.")] = None,
    out: Annotated[Path | None, typer.Option(help="A JSON file of every step.")] = None,
) -> None:
    """Measure, print the table, file the numbers."""
    spec = Spec(model, data, prompts, group, max_tokens, steps + warmup, dtype)
    sides = {
        name: replace(spec, knobs=dict(knob.split("=", 1) for knob in knobs or ()))
        for name, knobs in (("ours", our), ("trl", trl))
        if only in (None, name)
    }
    with tempfile.TemporaryDirectory() as folder:
        taken = take_turns(sides, problem_file(spec, Path(folder)))
    measured = {name: rows[warmup:] for name, rows in taken.items()}
    Console(highlight=False).print(table(measured))
    document = {
        "machine": machine(),
        "spec": asdict(spec),
        "knobs": {name: dict(side.knobs) for name, side in sides.items()},
        "warmup": warmup,
        "steps": {name: [asdict(step) for step in rows] for name, rows in taken.items()},
    }
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(document, indent=1))


def take_turns(sides: dict[str, Spec], problems: Path) -> dict[str, list[Step]]:
    """Every side's steps, one of each in turn."""
    context = get_context("spawn")
    pipes: dict[str, Connection] = {}
    for name, spec in sides.items():
        pipes[name], far = context.Pipe()
        context.Process(target=SIDES[name], args=(far, spec, problems), daemon=False).start()
        far.close()
    taken: dict[str, list[Step]] = {name: [] for name in sides}
    for _ in range(next(iter(sides.values())).steps):
        for name, pipe in pipes.items():
            pipe.send("go")
            step = pipe.recv()
            taken[name].append(step)
            print(f"{name}: {step.seconds:.2f} s", file=sys.stderr, flush=True)
    return taken


def table(measured: Mapping[str, Sequence[Step]]) -> Table:
    """Medians by part, and how many times as much TRL takes."""
    found = Table("median of a step", *measured, "trl / ours")

    def row(name: str, value: Callable[[Step], float]) -> None:
        found.add_row(*_row(name, {side: list(map(value, of)) for side, of in measured.items()}))

    for part in PARTS:
        row(f"{part}, s", lambda step, part=part: step.parts.get(part, 0.0))  # type: ignore[misc]
    found.add_section()
    row("step, s", lambda step: step.seconds)
    row("completion tokens", lambda step: step.completion_tokens)
    row("tokens a second", lambda step: step.completion_tokens / step.seconds)
    row("peak memory, GB", lambda step: step.peak_bytes / 1e9)
    return found


def _row(name: str, values: dict[str, list[float]]) -> list[str]:
    medians = {side: statistics.median(of) for side, of in values.items()}
    ratio = ""
    if len(medians) == 2 and medians["ours"]:
        ratio = f"{medians['trl'] / medians['ours']:.2f}"
    return [name, *(f"{median:.3g}" for median in medians.values()), ratio]


def machine() -> dict[str, str]:
    """What it ran on."""
    import torch

    from grpo.versions import versions

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else _processor()
    return {"device": device, "threads": str(torch.get_num_threads()), **versions()}


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]} x {len(names)}" if names else platform.processor()


if __name__ == "__main__":
    typer.run(main)
