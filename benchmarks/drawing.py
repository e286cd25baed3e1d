"""What `refill` and `ahead` are worth: the same stage of RL drawn in different ways, one after the
other, each from the base to a held-out score.

Seconds are medians over steps without the first, a live group is one whose rewards differ, so that
something is learnt from it. `corrected` is the plain way with the correction that `ahead` needs,
and nothing to correct. With `ahead` sampler and trainer compute at the same time, each with as many
threads as are given: compare it at one thread with the others at two on a machine of two cores.

    python benchmarks/drawing.py --steps 10 --threads 1
    python benchmarks/drawing.py --steps 40 --way plain --way refill --threads 2 --out drawn.json
"""

import json
import statistics
import sys
import tempfile
from collections.abc import Mapping
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent))

from step.place import place

TRUNCATED = "stages.zero.objective.correction=truncate"
WAYS: Mapping[str, tuple[str, ...]] = {
    "plain": (),
    "refill": ("stages.zero.refill={rounds: 4}",),
    "corrected": (TRUNCATED,),
    "ahead": ("stages.zero.ahead=1", TRUNCATED),
    "both": ("stages.zero.refill={rounds: 4}", "stages.zero.ahead=1", TRUNCATED),
}
LOOK = "sampling: {temperature: 1.0, top_p: 1.0, max_tokens: 160}"
RECIPE = """
name: drawing
seed: {seed}
model: {{path: {model}}}
data: {{path: "{data}", size: 20000}}
rewards: {{accuracy: 1.0, format: 0.5}}
sampler: {{max_model_len: 320, max_num_seqs: 256, kv_cache_gib: 0.5}}
runtime: {{threads: {threads}}}
track: {{to: []}}
stages:
  - name: zero
    kind: rl
    steps: {steps}
    prompts: {prompts}
    group_size: {group}
    minibatches: 2
    {look}
    objective: {{beta: 0.001}}
    optimizer: {{lr: 1.0e-4, warmup_steps: 4}}
    checkpoint: {{every: 100000, keep_last: 1}}
  - {{name: after, kind: evaluate, parent: zero, problems: {problems}, {look}}}
"""


def main(
    way: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(WAYS)}; none: all.")] = None,
    steps: int = 10,
    threads: Annotated[int, typer.Option(help="As runtime.threads.")] = 1,
    prompts: int = 16,
    group: int = 8,
    problems: Annotated[int, typer.Option(help="Held-out problems at the end.")] = 300,
    model: str = "tiny-base",
    data: str = "tiny:all",
    seed: int = 0,
    out: Annotated[Path | None, typer.Option(help="A JSON file of every step.")] = None,
) -> None:
    """Run each way, print the table, file the numbers."""
    text = RECIPE.format(
        steps=steps, threads=threads, prompts=prompts, group=group, problems=problems, model=model,
        data=data, seed=seed, look=LOOK,
    )  # fmt: skip
    runs = {name: drawn(text, WAYS[name], prompts) for name in way or WAYS}
    Console(highlight=False).print(table(runs))
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        document = {"place": place(), "threads": threads, "recipe": text, "runs": runs}
        out.write_text(json.dumps(document, indent=1))


def drawn(text: str, words: tuple[str, ...], prompts: int) -> dict[str, Any]:
    """A run in a process of its own: its steps, and what it came to."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        # A fresh process: an engine fixes the threads of the one it starts in.
        process = get_context("spawn").Process(target=go, args=(text, words, run))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(process.exitcode)
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        scores = json.loads((run / "manifest.json").read_text())["stages"]["after"]["scores"]
    return {"steps": [step(line, prompts) for line in lines], "strict": scores["strict"]}


def go(text: str, words: tuple[str, ...], run: Path) -> None:
    """The whole recipe."""
    from grpo.pipeline import run as run_recipe
    from grpo.recipe.load import parse_recipe

    run_recipe(parse_recipe(text, overrides=list(words)), run)


def step(line: Mapping[str, Any], prompts: int) -> dict[str, float]:
    """A step's seconds by part, and how many groups it learnt from."""
    live = prompts * (1 - line["frac_reward_zero_std"])
    return {
        "seconds": line["time/step"],
        "live": line.get("refill/effective_batch", live),
        "drawn": line.get("refill/prompts", prompts),
        "rounds": line.get("refill/rounds", 1.0),
        "sampling": line["time/sampling"],
        "waiting": line.get("time/waiting", 0.0),
    }


def table(runs: Mapping[str, Mapping[str, Any]]) -> Table:
    """Medians of the steps, and the held-out score."""
    found = Table("", *runs)

    def row(name: str, values: list[float]) -> None:
        found.add_row(name, *(f"{value:.3g}" for value in values))

    steps = [run["steps"][1:] for run in runs.values()]
    for name in ("seconds", "sampling", "waiting", "drawn", "rounds", "live"):
        row(f"{name} a step", [statistics.median(one[name] for one in some) for some in steps])
    row(
        "seconds a live group",
        [sum(s["seconds"] for s in some) / sum(s["live"] for s in some) for some in steps],
    )
    row("strict at the end, %", [100 * run["strict"] for run in runs.values()])
    return found


if __name__ == "__main__":
    typer.run(main)
