"""All that says how fast and how lean ours is: `make bench`.

Ours beside TRL for every pair of step/pairs.py, memory against vocabulary, growth; a JSON file each
in runs/bench, tables and picture in docs/speed.md, and a word where ours got slower than the
baseline. Ends with status 1 then.

    python benchmarks/bench.py                       # everything
    python benchmarks/bench.py tiny-float32 memory   # these alone
    python benchmarks/bench.py --keep                # and make the runs the baseline
"""

import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

sys.path.insert(0, str(Path(__file__).parent))

import growth
import memory
import speed_page
import step_time
from step.baseline import compared, keep, stored
from step.pairs import MODELS, PAIRS, sides
from step.place import ROOT
from step_time import OUT, write

OTHERS = {"memory": memory, "growth": growth}


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Which; all, if none.")] = None,
    steps: Annotated[int, typer.Option(min=5, help="Measured steps a side.")] = 5,
    warmup: Annotated[int, typer.Option(help="Steps before them.")] = 1,
    keeping: Annotated[bool, typer.Option("--keep", help="Make these runs the baseline.")] = False,
) -> None:
    """Measure, print, file, and compare with the baseline."""
    os.chdir(ROOT)
    runs = []
    for name in names or (*PAIRS, *OTHERS):
        started = time.monotonic()
        if name in OTHERS:
            _other(name)
        elif run := _pair(name, steps, warmup):
            runs.append(run)
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    speed_page.main(OUT, speed_page.PAGE)
    before = stored()
    said = [compared(run, before) for run in runs]
    print(*(sentence for sentence, _ in said), sep="\n")
    for run in runs if keeping else ():
        keep(run)
    if any(slower for _, slower in said) and not keeping:
        raise SystemExit(1)


def _pair(name: str, steps: int, warmup: int) -> dict[str, Any] | None:
    """One pair's run, filed and shown; None where its model is not there."""
    model = MODELS[name.partition("-")[0]].model
    if not Path(model).is_dir():
        print(f"{name} is skipped: there is no {model} (`make smollm2` makes it)")
        return None
    asked = sides(name, steps=steps + warmup)
    run = step_time.measured(name, asked, warmup=warmup)
    step_time.show(run)
    write(OUT / f"{name}.json", run)
    return run


def _other(name: str) -> None:
    document = OTHERS[name].measured()
    OTHERS[name].show(document)
    write(OUT / f"{name}.json", document)


if __name__ == "__main__":
    typer.run(main)
