"""How the answers changed: the same held-out problems before and after, side by side.

Which problems are shown is a fixed rule and said on the page: nobody picked the pretty ones.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from grpo.report.parquet import read_columns
from grpo.report.tables import Evaluation, ends

COLUMNS = (
    "question_id", "language", "question", "gold", "completion", "correct", "outcomes", "columns",
)  # fmt: skip
Answer = Mapping[str, Any]


@dataclass(frozen=True)
class Turn:
    """One way to go from before to after, how many problems went it, and the few to be shown.

    >>> Turn("wrong, then right", 543, ((before, after),))
    """

    label: str
    count: int
    shown: tuple[tuple[Answer, Answer], ...]


TURNS = (
    ("wrong before, right after", (False, True), 3),
    ("right both times", (True, True), 1),
    ("right before, wrong after", (True, False), 2),
    ("wrong both times", (False, False), 2),
)


def turns(run_path: Path, evaluations: Sequence[Evaluation]) -> list[Turn]:
    """The four turns by strict score, over the problems both evaluations answered.

    Of several samples a problem the first counts. Shown are the first problems in the file,
    taking languages in turn. Empty when either table of answers is missing.
    """
    before, after = (_answers(run_path, evaluation) for evaluation in ends(evaluations))
    pairs = [(before[name], after[name]) for name in before if name in after]
    found = []
    for label, way, limit in TURNS:
        went = [pair for pair in pairs if (bool(pair[0]["strict"]), bool(pair[1]["strict"])) == way]
        found.append(Turn(label, len(went), tuple(_by_turns(went)[:limit])))
    return found if pairs else []


def verdict(answer: Answer) -> str:
    """`right`, `right, not in the form`, or `wrong`."""
    if answer["strict"]:
        return "right"
    return "right, not in the form" if answer.get("lenient") else "wrong"


def _answers(run_path: Path, evaluation: Evaluation) -> dict[str, Answer]:
    if not evaluation:
        return {}
    path = run_path / "evaluations" / evaluation["stage"] / "samples.parquet"
    table = read_columns(path, COLUMNS)
    if table is None or table.column_names != list(COLUMNS):
        return {}
    first: dict[str, Answer] = {}
    for row in table.to_pylist():
        first.setdefault(str(row["question_id"]), _answer(row))
    return first


def _answer(row: Mapping[str, Any]) -> Answer:
    return {
        "question": row["question"],
        "answer": row["gold"],
        "language": row["language"],
        "kind": json.loads(row["columns"]).get("kind"),
        "completion": row["completion"],
        "strict": row["correct"],
        "lenient": json.loads(row["outcomes"]).get("accuracy_lenient") == "correct",
    }


def _by_turns(pairs: Sequence[tuple[Answer, Answer]]) -> list[tuple[Answer, Answer]]:
    """The pairs with languages alternating, each language in file order."""

    def language(pair: tuple[Answer, Answer]) -> str:
        return str(pair[0].get("language") or "")

    ranked = [
        (rank, pair)
        for _, same in groupby(sorted(pairs, key=language), key=language)
        for rank, pair in enumerate(same)
    ]
    return [pair for _, pair in sorted(ranked, key=lambda item: item[0])]
