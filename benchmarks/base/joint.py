"""The two arms of recipes/tiny/joint.yaml side by side: scores, reward, balance, acceptance, speed.

grpo run recipes/tiny/joint.yaml
python benchmarks/base/joint.py runs/tiny-joint
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import typer

sys.path.insert(0, str(Path(__file__).parents[1]))

from scaling_tables import placed

from grpo.sampler import ACCEPTANCE

DOCUMENT = Path(__file__).parents[2] / "docs" / "base.md"
ARMS = {"before": None, "joint-score": "joint", "frozen-score": "frozen"}
"""Evaluate stages, and the stage that made what they are of."""

LAST = 6
"""Steps that a metric is the mean of."""

METRICS = {
    "reward": "reward",
    "MaxVio": "moe/max_vio",
    "MTP loss": "mtp_loss",
    "accepted": ACCEPTANCE,
}


def main(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    into: Annotated[Path, typer.Option(help="The document with the table's place.")] = DOCUMENT,
) -> None:
    """Print the table, put it into the document."""
    table = "\n".join(lines(run))
    print(table)
    into.write_text(placed(into.read_text(), "joint", table))


def lines(run: Path) -> Iterator[str]:
    """The table in Markdown."""
    heads = (
        "arm", "strict", "lenient", *(f"{name}, last {LAST} steps" for name in METRICS),
        "accepted, evaluation", "tokens/s with", "without",
    )  # fmt: skip
    yield f"| {' | '.join(heads)} |"
    yield "| --- " + "| ---: " * (len(heads) - 1) + "|"
    logged = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for look, stage in ARMS.items():
        found = json.loads((run / "evaluations" / look / "results.json").read_text())
        steps = [line for line in logged if line["stage"] == stage]
        yield f"| {' | '.join((stage or 'base', *scores(found), *means(steps), *worth(found)))} |"


def scores(found: Mapping[str, Any]) -> Iterator[str]:
    """Strict and lenient with their intervals, in %."""
    (benchmark,) = found["benchmarks"].values()
    for one in (benchmark["avg"], benchmark["scores"]["lenient"]):
        yield f"{one['value']:.1%} ({100 * one['low']:.1f}-{100 * one['high']:.1f})"


def means(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Each metric over the last steps; a dash where a stage logs it not."""
    for key in METRICS.values():
        values = [line[key] for line in steps[-LAST:] if key in line]
        yield f"{fmean(values):.3f}" if values else "-"


def worth(found: Mapping[str, Any]) -> Iterator[str]:
    """What the draft was worth in the evaluation."""
    draft = found["engine"]["draft"]
    yield f"{draft['acceptance']:.1%}"
    yield from (f"{draft[key]:,.0f}" for key in ("tokens_per_second", "tokens_per_second_without"))


if __name__ == "__main__":
    typer.run(main)
