"""What a reject stage writes: conversations with where each came from, and a report of the rest."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from grpo.checkpoint.atomic import atomic_write
from grpo.gathering.keeping import OVERLAP, Candidate
from grpo.gathering.untaught import Untaught
from grpo.recipe.chain import Keeping
from grpo.recipe.stages import Drawn
from grpo.workbench.workbench import Workbench
from grpo_data.conversations import Conversation

Row = Mapping[str, Any]
PROVENANCE = "provenance"
_OWN = {"id", "key", "prompt", "completion", "messages", PROVENANCE}
"""Columns of a row that no problem's may take."""


@dataclass(frozen=True)
class Origin:
    """Where a stage's samples come from; `checkpoint` is the hash of the weights.

    >>> Origin("tiny-r1", "pick", "9f2c...")
    """

    run: str
    stage: str
    checkpoint: str


def row(one: Candidate, origin: Origin, keeping: Keeping) -> Row:
    """A kept sample as a conversation: the bare question, which training words as sampling did."""
    problem = one.problem
    columns = {name: value for name, value in problem.columns.items() if name not in _OWN}
    floors = [
        f"{name} {one.judgement.parts[name]:g} (least {least:g})"
        for name, least in keeping.least.items()
    ]
    return {
        "id": f"{problem.id}/{one.sample}",
        "key": problem.key,
        "prompt": problem.question,
        "completion": one.text,
        **columns,
        "answer": problem.answer,
        PROVENANCE: {
            "source": f"{origin.run}:{origin.stage}",
            "checkpoint": origin.checkpoint,
            "problem": problem.id,
            "sample": one.sample,
            "seed": one.seed,
            "reward": one.judgement.reward,
            "rewards": dict(one.judgement.parts),
            "why": ", ".join([*floors, "no other rule broken"]),
        },
    }


def beside(
    conversations: Sequence[Conversation], source: str, untaught: Untaught
) -> tuple[list[Row], dict[str, Any]]:
    """The rows of `conversations` that overlap with nothing, and the counts."""
    hits = untaught.hits([(_asked(one), one.completion) for one in conversations])
    rows = [_told(one, source) for at, one in enumerate(conversations) if at not in hits.rows]
    counts = {"source": source, "read": len(conversations), "kept": len(rows)}
    return rows, {**counts, "dropped": {OVERLAP: len(hits.rows)}, "overlap": hits.told}


def finish(
    stage: Drawn,
    bench: Workbench,
    rows: Sequence[Row],
    report: dict[str, Any],
    flops: int,
) -> None:
    """Write `rows` and the report where the stage's output belongs, once for all processes."""
    report |= {"rows": len(rows), "flops": flops}
    if bench.accelerator.is_main_process:
        bench.run.note_stage(stage.name, flops=float(flops))
        file = bench.run.conversations(stage.name)
        write(file, rows, report)
        say(stage.name, file, report)
    bench.accelerator.wait_for_everyone()


def write(file: Path, rows: Iterable[Row], report: Mapping[str, Any]) -> None:
    """Write `file`, one row a line, and `NAME.report.json` beside it."""
    lines = (json.dumps(one, ensure_ascii=False, default=str) + "\n" for one in rows)
    atomic_write(file, "".join(lines))
    told = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    atomic_write(file.with_suffix(".report.json"), told)


def say(name: str, file: Path, report: Mapping[str, Any]) -> None:
    """Print the report in a few lines."""
    lines = [
        f"{name}: {report['kept']:,} of {report['samples']:,} samples kept, of "
        f"{report['problems_kept']:,} of {report['problems']:,} problems",
        f"{name}: dropped {dropped(report)}",
    ]
    if more := report.get("beside"):
        lines.append(
            f"{name}: {more['kept']:,} of {more['read']:,} rows of {more['source']} "
            f"beside (dropped: {dropped(more)})"
        )
    console = Console(highlight=False)
    for line in [*lines, f"{name}: {report['rows']:,} rows in {file}"]:
        console.print(line, soft_wrap=True, markup=False)


def dropped(report: Mapping[str, Any]) -> str:
    """What was dropped and why, the commonest first."""
    counts = sorted(report["dropped"].items(), key=lambda one: -one[1])
    return ", ".join(f"{count:,} {rule}" for rule, count in counts if count) or "none"


def _told(one: Conversation, source: str) -> Row:
    """A conversation as it was read; one that knows where it comes from is believed."""
    said = one.prompt if isinstance(one.prompt, str) else [dict(turn) for turn in one.prompt]
    own = {"id": one.id, "key": one.key, "prompt": said, "completion": one.completion}
    return {**own, PROVENANCE: {"source": source}, **one.columns}


def _asked(one: Conversation) -> str:
    if isinstance(one.prompt, str):
        return one.prompt
    return "\n".join(turn["content"] for turn in one.prompt)
