"""The gate before training: problems that stand in a benchmark too are dropped, or stop the run.

How two texts overlap is `grpo_data.overlap`'s to say; held-out problems pass by.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from grpo.checkpoint.atomic import atomic_write
from grpo.errors import UserError
from grpo.eval.against import read_against
from grpo.recipe.sections import Data
from grpo_data.overlap import Benchmark, Overlap, document, overlaps
from grpo_data.problem import Problem


def past_the_gate(train: list[Problem], data: Data, report: Path | None) -> list[Problem]:
    """The problems of `train` that stand in none of the benchmarks `data` names, in order.

    What was found is printed and written to `report`, unless that is None: one process of several
    does it. Raises UserError when something was found and the action is `stop`, and when nothing
    is left; FileNotFoundError or ValueError for a benchmark that cannot be read.
    """
    gate = data.decontaminate
    if gate is None:
        return train
    held = read_against(gate.against, gate.question, split=gate.split)
    benchmarks = {name: [text.question for text in held[name].texts] for name in held}
    found = overlaps((problem.question for problem in train), benchmarks, gate.n, gate.rules)
    written = document(found, data.path, [problem.id for problem in train], held)
    if report:
        atomic_write(report, json.dumps(written, indent=1, ensure_ascii=False) + "\n")
        Console(highlight=False).print(_summary(written), soft_wrap=True, markup=False)
    hit = found.train_rows()
    if hit and gate.action == "stop":
        raise UserError(_refusal(written, found, train, held))
    kept = [problem for row, problem in enumerate(train) if row not in hit]
    if not kept:
        raise UserError(
            f"data.decontaminate leaves nothing to train on: {_count(written)}; "
            "name other benchmarks, or fewer rules"
        )
    return kept


def _count(written: Mapping[str, Any]) -> str:
    hit, rows = written["overlapping"], written["rows"]
    return f"{hit:,} of {rows:,} training problems of {written['train']} overlap with benchmarks"


def _summary(written: Mapping[str, Any]) -> str:
    each = ", ".join(f"{b['name']} {b['train_rows']['any']:,}" for b in written["benchmarks"])
    return f"decontaminate: {_count(written)} ({each})"


def _refusal(
    written: Mapping[str, Any],
    found: Overlap,
    train: list[Problem],
    held: Mapping[str, Benchmark],
) -> str:
    first = found.matches[0]
    other = held[first.benchmark].texts[first.row].id
    return (
        f"data.decontaminate: {_count(written)}; the first is {train[first.train].id!r}, by rule "
        f"{first.rules[0]} with {other!r} of {first.benchmark}; set action to drop, or train on "
        "what `grpo decontaminate --write-clean` writes"
    )
