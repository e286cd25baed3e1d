"""Do ours and TRL's learn the same? Reward against step, some seeds each, one small recipe.

A file a seed and side under runs/bench/learning; what is there, and was made with the same recipe,
is not made again. `python benchmarks/speed_page.py` puts table and picture into docs/speed.md.

    python benchmarks/learning.py                  # 3 seeds
    python benchmarks/learning.py --seeds 1 --steps 20
    python benchmarks/learning.py --only trl --threads 1    # beside another, with a core for each
    python benchmarks/learning.py --pair tiny-best --out runs/bench/learning-best
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent))

from step.learnt import taken, verdict, verdict_rows
from step.pairs import sides
from step.place import place
from step.spec import REWARDS, Spec
from step.turns import one_by_one
from step_time import OUT, write

TINY = "tiny-float32"
RECIPE: dict[str, Any] = {"prompts": 16, "group": 8, "lr": 1e-4, "rewards": REWARDS}


def main(
    seeds: int = 3,
    steps: int = 80,
    pair: Annotated[str, typer.Option(help="The sides' settings, of step/pairs.py.")] = TINY,
    out: Annotated[Path, typer.Option(help="A folder for the files.")] = OUT / "learning",
    only: Annotated[str | None, typer.Option(help="ours or trl: one side alone.")] = None,
    threads: Annotated[int, typer.Option(help="A side's; 0: one a core.")] = 0,
) -> None:
    """Train what is not trained yet, and say whether the sides differ."""
    runs: dict[str, list[dict[str, Any]]] = {"ours": [], "trl": []}
    for seed in range(seeds):
        for side, spec in sides(pair, **RECIPE, seed=seed, steps=steps, threads=threads).items():
            if only in (None, side):
                runs[side].append(learnt(side, spec, out / f"{side}-{seed}.json"))
    if only is None:
        show(runs)


def learnt(side: str, spec: Spec, path: Path) -> dict[str, Any]:
    """The run of a side and seed: from its file, or made now and filed."""
    asked = json.loads(json.dumps(asdict(spec)))
    if path.is_file() and (there := json.loads(path.read_text()))["spec"] == asked:
        return there
    found = place()
    steps = one_by_one({side: spec})[side]
    made = {"side": side, "place": found, "spec": asked, "steps": [asdict(step) for step in steps]}
    write(path, made)
    return made


def show(runs: Mapping[str, list[dict[str, Any]]]) -> None:
    """Print the sides' rewards and the test."""
    table = Table("mean reward", "ours", "TRL", "difference (95%)")
    for row in verdict_rows(runs):
        table.add_row(*row)
    Console(highlight=False).print(table, verdict(runs), taken(runs))


if __name__ == "__main__":
    typer.run(main)
