"""Rejection sampling: draw many completions of each problem, and write down the best of them."""

from pathlib import Path

from grpo.errors import UserError
from grpo.gathering import kept
from grpo.gathering.drawing import Drawing
from grpo.gathering.keeping import Harvest
from grpo.gathering.untaught import untaught
from grpo.recipe.stages import Reject
from grpo.run.identity import weights_hash
from grpo.workbench.workbench import Workbench, read_conversations


def run_reject(stage: Reject, bench: Workbench, parent: Path) -> Path:
    """Sample from `parent`, write `data/NAME.jsonl` and its report; `parent` comes out again.

    Raises UserError where no sample comes through.
    """
    harvest = Harvest(stage.keep, bench.recipe.prompt.prefill)
    drawing = Drawing(stage, bench, parent)
    for group, seeds in drawing.groups(lambda: {"passed": harvest.passed_share}):
        harvest.take(group, seeds)
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
    kept.finish(stage, bench, rows, report, drawing.flops)
    return parent
