"""Two sides measured in turns, each in a process of its own, so that a slow minute hits both."""

import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory

from step import ours, theirs
from step.endless import endless
from step.spec import Spec, Step, write_problems

SIDES = {"ours": ours.serve, "trl": theirs.serve}
REST_S = 0.5
"""Between two turns: threads that wait for more work spin for a while, on the other's cores."""


class Side:
    """One side's process. SystemExit, with its name, where it died."""

    def __init__(self, name: str, spec: Spec, folder: Path) -> None:
        context = get_context("spawn")
        self.name = name
        self._pipe, far = context.Pipe()
        self._process: BaseProcess = context.Process(target=SIDES[name], args=(far, spec, folder))
        self._process.start()
        far.close()

    def go(self, steps: int = 1) -> None:
        """Let it make `steps` more."""
        for _ in range(steps):
            self._pipe.send("go")

    def step(self) -> Step:
        """The next step that it has made."""
        try:
            found: Step = _received(self._pipe)
        except EOFError:
            raise SystemExit(f"{self.name} ended before its steps were done; see above") from None
        print(f"{self.name}: {found.seconds:.2f} s", file=sys.stderr, flush=True)
        return found

    def end(self) -> None:
        """Let it end, and wait for that."""
        with suppress(OSError):
            self.go()
        self._process.join()


def step_by_step(sides: Mapping[str, Spec], *, ends: bool = True) -> dict[str, list[Step]]:
    """Every side's steps, one of each in turn: A B A B. All sides live all the while.

    Without `ends` no completion ends before it is as long as it may be.
    """
    with TemporaryDirectory() as place:
        sides = _posed(sides, Path(place), ends)
        running = [Side(name, spec, Path(place)) for name, spec in sides.items()]
        taken: dict[str, list[Step]] = {name: [] for name in sides}
        for _ in range(next(iter(sides.values())).steps):
            for side in running:
                time.sleep(REST_S)
                side.go()
                taken[side.name].append(side.step())
        for side in running:
            side.end()
    return taken


def one_by_one(sides: Mapping[str, Spec], *, ends: bool = True) -> dict[str, list[Step]]:
    """Every side's steps without a halt, a side after the other, none beside another.

    For what one by one cannot show: work that goes on behind a step, and learning.
    """
    taken: dict[str, list[Step]] = {}
    with TemporaryDirectory() as place:
        for name, spec in _posed(sides, Path(place), ends).items():
            side = Side(name, spec, Path(place))
            side.go(spec.steps)
            taken[name] = [side.step() for _ in range(spec.steps)]
            side.end()
    return taken


def _posed(sides: Mapping[str, Spec], place: Path, ends: bool) -> dict[str, Spec]:
    """The sides' specs, with all that they read in `place`."""
    first = next(iter(sides.values()))
    write_problems(first, place)
    model = first.model if ends else str(endless(first.model, place / "model"))
    return {name: replace(spec, model=model) for name, spec in sides.items()}


def _received(pipe: Connection) -> Step:
    found: Step = pipe.recv()
    return found
