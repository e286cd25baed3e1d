"""A compare stage: draw completions, have a judge say which is better, and write down the pairs.

A reward model told apart by them has seen what the model it will judge does say, right and wrong.
"""

from pathlib import Path

from grpo.errors import UserError
from grpo.gathering import kept
from grpo.gathering.drawing import Drawing
from grpo.gathering.matched import Matches, row
from grpo.gathering.untaught import untaught
from grpo.recipe.stages import Compare
from grpo.run.identity import weights_hash
from grpo.workbench.workbench import Workbench


def run_compare(stage: Compare, bench: Workbench, parent: Path) -> Path:
    """Sample from `parent`, write `data/NAME.jsonl` and its report; `parent` comes out again.

    Raises UserError where the judge tells no two samples of a problem apart.
    """
    matches = Matches(stage.pairs, stage.gap, bench.recipe.prompt.prefill)
    drawing = Drawing(stage, bench, parent)
    for group, seeds in drawing.groups(lambda: {"paired": matches.paired_share}):
        matches.take(group, seeds)
    matches.choose(untaught(stage, bench))
    report = matches.report()
    if not matches.kept:
        raise UserError(
            f"stage {stage.name!r} pairs none of {report['samples']:,} samples (dropped: "
            f"{kept.dropped(report)}); lower gap, draw more samples, or take another judge"
        )
    origin = kept.Origin(bench.recipe.name, stage.name, weights_hash(parent))
    rows = [row(match, origin) for match in matches.kept]
    kept.finish(stage, bench, rows, report, drawing.flops)
    return parent
