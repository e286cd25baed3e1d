"""Rejection sampling: draw many completions of each problem, and write down the best of them.

Samples lie on disk, a piece of the problems at a time, before they are looked at: a run that was
killed goes on with the next piece and writes the same bytes.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from grpo.checkpoint.signals import StopRequest
from grpo.errors import Stopped, UserError
from grpo.model.load import hollow_model, load_tokenizer
from grpo.progress import Progress
from grpo.recipe.stages import Reject
from grpo.rollout.collect import Collector
from grpo.rollout.shelf import RolloutShelf
from grpo.rollout.statistics import token_counts
from grpo.sampler import request_seed
from grpo.stages import kept
from grpo.stages.identity import weights_hash
from grpo.stages.keeping import Harvest
from grpo.stages.untaught import untaught
from grpo.stages.workbench import Workbench, read_conversations
from grpo.timing import Stopwatch
from grpo.train.flops import ForwardCost
from grpo_data.problem import Problem

PIECE = 1024
"""Completions a piece: enough for an engine to be busy, few enough to be lost by a kill."""


def run_reject(stage: Reject, bench: Workbench, parent: Path) -> Path:
    """Sample from `parent`, write `data/NAME.jsonl` and its report; `parent` comes out again.

    Raises UserError where no sample comes through.
    """
    harvest = Harvest(stage.keep, bench.recipe.prompt.prefill)
    flops = _draw(stage, bench, parent, harvest)
    against = untaught(stage, bench)
    harvest.choose(against)
    report = harvest.report()
    if not harvest.kept:
        raise UserError(
            f"stage {stage.name!r} keeps none of {report['samples']:,} samples (dropped: "
            f"{kept.dropped(report)}); lower keep.least, draw more samples, or take a better parent"
        )
    origin = kept.Origin(bench.recipe.name, stage.name, weights_hash(parent))
    rows = [kept.row(one, origin, stage.keep) for one in harvest.kept]
    if stage.beside:
        source = stage.beside.path
        more, report["beside"] = kept.beside(read_conversations(stage.beside), source, against)
        rows += more
    report |= {"rows": len(rows), "flops": flops}
    if bench.accelerator.is_main_process:
        bench.run.note_stage(stage.name, flops=float(flops))
        file = bench.run.conversations(stage.name)
        kept.write(file, rows, report)
        kept.say(stage.name, file, report)
    bench.accelerator.wait_for_everyone()
    return parent


def _draw(stage: Reject, bench: Workbench, parent: Path, harvest: Harvest) -> int:
    """All pieces, from their files or freshly drawn, into the harvest; the FLOPs of drawing."""
    shelf, flops = _shelf(stage, bench, parent), 0
    cost = ForwardCost.of(hollow_model(bench.model, parent))
    pieces = _pieces(bench.training_problems(stage)[: stage.problems], stage.samples)
    is_main = bench.accelerator.is_main_process
    progress = Progress(stage.name, 0, len(pieces)) if is_main else None
    with progress or nullcontext(), StopRequest() as stop:
        for number, piece in enumerate(pieces):
            rollout = shelf.take(number, piece.copy)
            flops += cost.forward(token_counts(rollout))
            for group in rollout.groups:
                harvest.take(group, _seeds(number, group.problem, stage, bench))
            if progress:
                progress.advance({"passed": harvest.passed_share})
            if bench.agreed(stop.requested):
                piece_of = f"piece {number + 1} of {len(pieces)} of {stage.name!r}"
                raise Stopped(f"stopped after {piece_of}")
    return flops


def _shelf(stage: Reject, bench: Workbench, parent: Path) -> RolloutShelf:
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


def _seeds(piece: int, problem: Problem, stage: Reject, bench: Workbench) -> list[int]:
    """The seeds that the problem's samples were drawn with."""
    seed, name = bench.recipe.seed, stage.name
    return [request_seed(seed, piece, problem.id, k, name) for k in range(stage.samples)]
