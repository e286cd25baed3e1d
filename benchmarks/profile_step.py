"""Where a step of ours goes: by place in the code, by kind of operator, and against the roof.

Three passes over steps of one run, after a warm-up: one untouched, for seconds that are true and
for the roof; one with a timer that looks who is at work; one that torch traces.

    python benchmarks/profile_step.py tiny-float32
    python benchmarks/profile_step.py smollm2-best --steps 1 --our stages.zero.prompts=4
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent))

from step.endless import endless
from step.kernels import PHASE, by_kind
from step.need import Counted, counted, needs
from step.ours import recipe
from step.pairs import PAIRS, sides
from step.peak import forget_peak, own_peak_bytes
from step.place import place
from step.roof import machine_roof
from step.spec import Spec, our_problems, write_problems
from step.stacks import Stacks
from step_time import OUT, number, write

LINES = 24
Seconds = Mapping[tuple[str, str], float]


class Passes:
    """What is done at the end of each of a run's steps, and what was found.

    Step 0 is the warm-up; then `each` steps untouched, `each` looked at, and one traced.
    """

    def __init__(self, each: int) -> None:
        self.each, self.steps = each, 2 + 2 * each
        self.stacks, self.rows = Stacks(), list[Mapping[str, Any]]()
        self.flops: dict[str, float] = {}
        self.weights = 0
        self.kinds: Seconds = {}
        self.peaks: dict[str, int] = {}
        self._trace: Any = None

    def after(self, step: int, metrics: Mapping[str, float]) -> None:
        """Take what the step told, and make ready for the next."""
        from torch.profiler import profile

        if 1 <= step <= self.each:
            drawing = metrics["compute/flops"] - sum(self.flops.values())
            self.rows.append({**metrics, **self.flops, "flops/drawing": drawing})
        if step == self.each:
            self.stacks.start()
        if step == 2 * self.each:
            self.stacks.stop()
            self._trace = profile().__enter__()
        if step == self.steps - 1:
            self._trace.__exit__(None, None, None)
            self.kinds = by_kind(self._trace)

    def counts(self, side: str, flops: int, module: Any) -> None:
        """Note what the policy, or the reference, computed since it was last asked."""
        self.flops[f"flops/{side}"] = float(flops)
        self.weights = sum(w.numel() * w.element_size() for w in module.parameters())

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Inside, both kinds of looking call what they see by `name`."""
        from torch.profiler import record_function

        before, self.stacks.phase = self.stacks.phase, name
        forget_peak()
        with record_function(PHASE + name):
            yield
        self.stacks.phase = before
        if self._trace is None:
            self.peaks[name] = max(own_peak_bytes(), self.peaks.get(name, 0))


def main(
    name: Annotated[str, typer.Argument(help="A pair of step/pairs.py.")] = "tiny-float32",
    steps: Annotated[int, typer.Option(help="Steps a pass.")] = 3,
    our: Annotated[list[str] | None, typer.Option(help="KEY=VALUE of our recipe.")] = None,
    out: Annotated[Path | None, typer.Option(help="The JSON file.")] = None,
) -> None:
    """Run, print the three tables, file the numbers."""
    spec, passes, roof = sides(name)["ours"], Passes(steps), machine_roof()
    knobs = dict(spec.knobs) | dict(knob.split("=", 1) for knob in our or ())
    with watching(passes):
        _run(replace(spec, steps=passes.steps, knobs=knobs), ends=PAIRS[name].ends)
    told = counted(passes.rows, passes.weights)
    places = {key: seconds / steps for key, seconds in passes.stacks.seconds.items()}
    functions = {key: seconds / steps for key, seconds in passes.stacks.functions.items()}
    show(told, roof, spec.dtype, places, functions, passes.kinds)
    peaks = (f"{phase} {peak / 1e9:.2f}" for phase, peak in passes.peaks.items())
    print("most memory in a phase, this process, GB:", *peaks, sep="  ")
    document = {
        "name": name,
        "place": place(),
        "roof": roof,
        "knobs": knobs,
        "needs": [asdict(need) for need in needs(told, roof, spec.dtype)],
        "places": {" / ".join(key): seconds for key, seconds in places.items()},
        "kinds": {" / ".join(key): seconds for key, seconds in passes.kinds.items()},
        "peaks": passes.peaks,
    }
    write(out or OUT / f"profile-{name}.json", document)


def show(
    told: Counted,
    roof: Mapping[str, float],
    dtype: str,
    places: Seconds,
    functions: Seconds,
    kinds: Seconds,
) -> None:
    """Print the tables."""
    console = Console(highlight=False)
    console.print(
        f"This machine: {roof[f'{dtype}_gflops']:,.0f} GFLOP/s in {dtype} products, "
        f"{roof['copy_gbs']:.1f} GB/s of a copy"
    )
    table = Table(
        "the step needs", "GFLOP", "GB of weights", "floor, s", "takes, s", "times the floor"
    )
    for need in needs(told, roof, dtype):
        values = (need.gflop, need.gbytes, need.floor, need.seconds, need.seconds / need.floor)
        table.add_row(need.part, *map(number, values))
    console.print(table)
    for title, seconds in (
        ("by place in the code", places),
        ("by function at work", functions),
        ("by operator, traced", kinds),
    ):
        console.print(_table(title, seconds))


def _table(title: str, seconds: Seconds) -> Table:
    whole = sum(seconds.values())
    table = Table("phase", "what", "s a step", "share", title=title)
    for (phase, what), took in sorted(seconds.items(), key=lambda item: -item[1])[:LINES]:
        if took > whole / 200:
            table.add_row(phase or "between", what, number(took), f"{took / whole:.0%}")
    return table


@contextmanager
def watching(passes: Passes) -> Iterator[None]:
    """Inside, a run's steps, phases and counts of FLOPs come to `passes`."""
    from grpo.timing import Stopwatch
    from grpo.train.policy import Policy, Reference
    from grpo.workbench.logbook import Logbook

    write, timed = Logbook.write, Stopwatch.__call__
    spent = {Policy: Policy.spent, Reference: Reference.spent}

    def told(logbook: Logbook, step: int, metrics: Mapping[str, float]) -> None:
        write(logbook, step, metrics)
        passes.after(step, metrics)

    @contextmanager
    def phase(watch: Stopwatch, name: str) -> Iterator[None]:
        with passes.phase(name), timed(watch, name):
            yield

    def counting(of: Any) -> int:
        flops = spent[type(of)](of)
        passes.counts(type(of).__name__.lower(), flops, of.module)
        return flops

    Logbook.write, Stopwatch.__call__ = told, phase  # type: ignore[method-assign]
    Policy.spent = Reference.spent = counting  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        Logbook.write, Stopwatch.__call__ = write, timed  # type: ignore[method-assign]
        Policy.spent, Reference.spent = spent[Policy], spent[Reference]  # type: ignore[method-assign]


def _run(spec: Spec, *, ends: bool) -> None:
    from grpo.pipeline import run
    from grpo.recipe.load import parse_recipe

    with TemporaryDirectory() as folder:
        write_problems(spec, Path(folder))
        model = spec.model if ends else str(endless(spec.model, Path(folder) / "model"))
        text = recipe(replace(spec, model=model), our_problems(Path(folder)))
        knobs = [f"{key}={value}" for key, value in spec.knobs.items()]
        run(parse_recipe(text, overrides=knobs), Path(folder) / "run")


if __name__ == "__main__":
    typer.run(main)
