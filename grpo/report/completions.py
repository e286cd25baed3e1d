"""The completions of a run as compact JSON for the page's table, within a budget of bytes.

Whole groups are taken, since a completion's advantage means nothing without its group: evenly
spaced steps, and of each step evenly spaced groups, as many as the budget holds. How many of how
many are shown is part of the result. Token ids and log-probabilities stay in the parquet files.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow
import pyarrow.compute as pc

from grpo.report.parquet import column_names, read_columns, row_count
from grpo.report.run_directory import RolloutFile
from grpo.report.scores import number
from grpo.report.text import shortened

STEPS_SHOWN = 40
GROUPS_SHOWN = 12
LONGEST = 6000
PLAIN = (
    "problem_id", "group", "sample", "question", "answer", "prompt", "completion",
    "reward", "advantage", "finish_reason", "token_ids",
)  # fmt: skip
Record = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Embedded:
    """The JSON text (safe inside a script element) and what it is a part of.

    `shortened` counts completions longer than LONGEST characters, cut in the middle.

    >>> Embedded('{"rows": ...}', rows=1536, of_rows=30720, steps=24, of_steps=60, shortened=0)
    """

    json: str
    rows: int
    of_rows: int
    steps: int
    of_steps: int
    shortened: int


def embedded(rollouts: Sequence[RolloutFile], budget: int) -> Embedded | None:
    """As many completions of `rollouts` as fit into `budget` bytes; None when there are none.

    One step and one group are kept however small the budget.
    """
    total = sum(row_count(rollout.path) for rollout in rollouts)
    steps, groups = STEPS_SHOWN, GROUPS_SHOWN
    while True:
        tables = _read(evenly_spaced(rollouts, steps), groups)
        rows = sum(len(records) for _, records in tables)
        if not rows:
            return None
        text = script_safe(_packed(tables))
        if len(text.encode()) <= budget or steps == groups == 1:
            cut = sum(len(r["completion"]) > LONGEST for _, records in tables for r in records)
            return Embedded(text, rows, total, len(tables), len(rollouts), cut)
        steps, groups = (steps, groups // 2) if groups > 2 else (max(1, steps // 2), 1)


def evenly_spaced(items: Sequence[T], limit: int) -> list[T]:
    """At most `limit` of the items, evenly spaced; with more than one, both ends are among them."""
    if len(items) <= limit:
        return list(items)
    if limit == 1:
        return [items[-1]]
    return [items[round(place * (len(items) - 1) / (limit - 1))] for place in range(limit)]


def _read(rollouts: Sequence[RolloutFile], groups: int) -> list[tuple[RolloutFile, list[Record]]]:
    """The rows of evenly spaced groups of each file; unreadable and empty files left out."""
    read = ((rollout, _records(rollout, groups)) for rollout in rollouts)
    return [(rollout, records) for rollout, records in read if records]


def _records(rollout: RolloutFile, groups: int) -> list[Record]:
    names = column_names(rollout.path)
    scored = [name for name in names if name.startswith(("reward/", "outcome/"))]
    table = read_columns(rollout.path, (*PLAIN, *scored))
    if table is None or not {"problem_id", "completion"} <= set(table.column_names):
        return []
    # A small data set may have one problem twice in a rollout: `group` tells the two apart.
    group = table["group" if "group" in table.column_names else "problem_id"]
    kept = evenly_spaced(group.unique().to_pylist(), groups)
    table = table.filter(pc.is_in(group, pyarrow.array(kept)))
    if "token_ids" in table.column_names:
        lengths = pc.list_value_length(table["token_ids"])
        table = table.drop_columns("token_ids").append_column("tokens", lengths)
    return list(table.to_pylist())


def _packed(tables: Sequence[tuple[RolloutFile, list[Record]]]) -> Record:
    """Records as short lists that point into shared lists of problems, groups and words."""
    names = dict.fromkeys(name for _, records in tables for name in records[0])
    parts = [name for name in names if name.startswith("reward/")]
    outcomes = [name for name in names if name.startswith("outcome/")]
    problems, groups, words = _Index(), _Index(), _Index()
    rows = []
    for rollout, records in tables:
        for record in records:
            texts = (record.get(key) for key in ("problem_id", "question", "answer", "prompt"))
            problem = problems[tuple("" if text is None else str(text) for text in texts)]
            rows.append([
                groups[(rollout.stage, rollout.step, problem, record.get("group"))],
                record.get("sample"),
                _rounded(record.get("reward")),
                _rounded(record.get("advantage")),
                words[str(record.get("finish_reason"))],
                record.get("tokens"),
                [_rounded(record.get(name)) for name in parts],
                [words[str(record.get(name) or "none")] for name in outcomes],
                shortened(str(record["completion"]), LONGEST),
            ])  # fmt: skip
    return {
        "parts": [name.removeprefix("reward/") for name in parts],
        "outcomes": [name.removeprefix("outcome/") for name in outcomes],
        "problems": list(problems),
        "groups": list(groups),
        "words": list(words),
        "rows": rows,
    }


class _Index(dict[Any, int]):
    """Numbers its keys in the order they are first asked for."""

    def __missing__(self, key: Any) -> int:
        self[key] = len(self)
        return self[key]


def _rounded(value: Any) -> float | None:
    known = number(value)
    return None if known is None else round(known, 4)


def script_safe(value: Record) -> str:
    """JSON in which no text can end the script element that holds it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")
