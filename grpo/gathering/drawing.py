"""Many completions of many problems, drawn a piece at a time.

A piece lies on disk before anybody looks at it: a run that was killed goes on with the next one,
and what is made of the samples is the same to the byte.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from grpo.checkpoint.signals import StopRequest
from grpo.errors import Stopped
from grpo.model.load import hollow_model, load_tokenizer
from grpo.progress import Progress
from grpo.recipe.stages import Drawn
from grpo.rollout.collect import Collector
from grpo.rollout.shelf import RolloutShelf
from grpo.rollout.statistics import token_counts
from grpo.sampler import request_seed
from grpo.timing import Stopwatch
from grpo.train.flops import ForwardCost
from grpo.types import Group
from grpo.workbench.workbench import Workbench
from grpo_data.problem import Problem

PIECE = 1024
"""Completions a piece: enough for an engine to be busy, few enough to be lost by a kill."""


class Drawing:
    """The groups of a stage's problems in order, sampled from `parent`; `flops` is their cost."""

    def __init__(self, stage: Drawn, bench: Workbench, parent: Path) -> None:
        self._stage, self._bench = stage, bench
        self._shelf = _shelf(stage, bench, parent)
        self._cost = ForwardCost.of(hollow_model(bench.model, parent))
        self.flops = 0

    def groups(
        self, told: Callable[[], Mapping[str, float]]
    ) -> Iterator[tuple[Group, Sequence[int]]]:
        """Each group with the seeds of its samples; `told` is what the progress line says.

        Raises Stopped after the piece in hand when a signal asks for it.
        """
        stage, bench = self._stage, self._bench
        pieces = _pieces(bench.training_problems(stage)[: stage.problems], stage.samples)
        is_main = bench.accelerator.is_main_process
        progress = Progress(stage.name, 0, len(pieces)) if is_main else None
        with progress or nullcontext(), StopRequest() as stop:
            for number, piece in enumerate(pieces):
                rollout = self._shelf.take(number, piece.copy)
                self.flops += self._cost.forward(token_counts(rollout))
                for group in rollout.groups:
                    yield group, self._seeds(number, group.problem)
                if progress:
                    progress.advance(told())
                if bench.agreed(stop.requested):
                    piece_of = f"piece {number + 1} of {len(pieces)} of {stage.name!r}"
                    raise Stopped(f"stopped after {piece_of}")

    def _seeds(self, piece: int, problem: Problem) -> list[int]:
        """The seeds that the problem's samples were drawn with."""
        seed, name = self._bench.recipe.seed, self._stage.name
        return [request_seed(seed, piece, problem.id, k, name) for k in range(self._stage.samples)]


def _shelf(stage: Drawn, bench: Workbench, parent: Path) -> RolloutShelf:
    recipe = bench.recipe
    collector = Collector(
        bench.sampler(parent),
        bench.scorer(bench.rewards(stage)),
        load_tokenizer(bench.model, parent),
        recipe.prompt,
        stage.sampling,
        stage.samples,
        recipe.seed,
        stage.name,
        Stopwatch(),
    )
    return RolloutShelf(bench.run.rollouts(stage.name), collector, bench.accelerator, "none")


def _pieces(problems: Sequence[Problem], samples: int) -> list[list[Problem]]:
    size = max(1, PIECE // samples)
    return [list(problems[at : at + size]) for at in range(0, len(problems), size)]
