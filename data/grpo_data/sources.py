"""A data source (a file, a folder, a hub name, a generator) turned into problems.

How each format is read is left to `grpo_data.readers`, and what makes a good training problem to
the filters: here a row is only required to have a question, an answer and a name of its own.
"""

import difflib
import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import Any

from grpo_data import readers
from grpo_data.problem import Problem, is_held_out, normalised

GENERATORS: dict[str, str] = {
    "tiny": "grpo_data.world:problems",
    "reasoning_gym": "grpo_data.reasoning_gym:problems",
}
"""Sources that are computed: `tiny:SPEC` calls the function named here as `problems(SPEC,
size=limit, **config)` and takes the Problems it returns. Named, not imported: a file is read
without it."""

ID_COLUMN = "id"


def load_problems(
    source: str,
    *,
    question: str = "question",
    answer: str = "answer",
    split: str = "train",
    subset: str | None = None,
    revision: str | None = None,
    answer_after: str | None = None,
    limit: int | None = None,
    config: Mapping[str, Any] = MappingProxyType({}),
) -> list[Problem]:
    """The problems of `source`, in its own order.

    `source` is a path to .jsonl, .json, .parquet or .csv (relative: from the current directory), a
    folder of such files, a hub data-set name, or `tiny:SPEC` (see GENERATORS). A path that exists
    goes before a hub name. `split`, `subset` and `revision` pick from a folder or the hub.
    `question` and `answer` name the columns to read; the answer is the text after the last
    `answer_after`, where given ("####" for GSM8K). A problem's id is the `id` column's, else the
    row's number from 0. `limit` takes the first so many rows. `config` are a generator's settings.

    Raises FileNotFoundError or ValueError, in one sentence that names the row, for a source that
    is missing, broken or empty, a column that is not there, an empty question or answer, an answer
    that is neither text nor a number, two problems with one id, and a setting nobody reads.
    """
    kind, colon, spec = source.partition(":")
    if colon and kind in GENERATORS:
        problems = _generated(kind, spec, limit, config)
        placed = [(f"{source} problem {n} (from 0)", problem) for n, problem in enumerate(problems)]
    else:
        if config:
            raise ValueError(f"{source} is read, not generated: it takes no config.")
        texts = (question, answer, ID_COLUMN)
        rows = readers.rows(
            source, text_columns=texts, split=split, subset=subset, revision=revision
        )
        placed = [
            (where, _problem(row, number, where, question, answer, answer_after))
            for number, (where, row) in enumerate(islice(rows, limit))
        ]
    if not placed:
        raise ValueError(f"{source} holds no problems.")
    _refuse_duplicates(placed)
    return [problem for _, problem in placed]


def split_held_out(
    problems: Iterable[Problem], share: float
) -> tuple[list[Problem], list[Problem]]:
    """(train, held out): each problem goes where the hash of its key says, in the order given.

    `share` in [0, 1] is the share held out, met on average; ValueError outside.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"the held-out share must lie in [0, 1], got {share}.")
    train: list[Problem] = []
    held_out: list[Problem] = []
    for problem in problems:
        (held_out if is_held_out(problem.key, share) else train).append(problem)
    return train, held_out


def _generated(kind: str, spec: str, limit: int | None, config: Mapping[str, Any]) -> list[Problem]:
    module, _, function = GENERATORS[kind].partition(":")
    generate: Callable[..., list[Problem]] = getattr(importlib.import_module(module), function)
    if "size" in config:
        raise ValueError(
            f"{kind}:{spec}: config holds a size; the number of problems is data.size."
        )
    try:
        inspect.signature(generate).bind(spec, size=limit, **config)
    except TypeError as error:
        raise ValueError(f"{kind}:{spec}: its config does not fit: {error}.") from error
    return generate(spec, size=limit, **config)


def _problem(
    row: readers.Row, number: int, where: str, question: str, answer: str, answer_after: str | None
) -> Problem:
    asked = _text(row, question, where)
    expected = _after(_text(row, answer, where), answer_after, answer, where)
    named = row.get(ID_COLUMN)
    columns = {k: v for k, v in row.items() if k not in (question, answer, ID_COLUMN)}
    return Problem(
        id=str(number if named is None else named),
        question=asked,
        answer=expected,
        key=normalised(asked),
        columns=columns,
    )


def _text(row: readers.Row, column: str, where: str) -> str:
    if column not in row:
        raise ValueError(f"{where}: {missing_column(column, row)}")
    value: Any = row[column]
    if isinstance(value, list | dict | bytes):
        kind = type(value).__name__
        raise ValueError(f"{where}: column {column!r} holds a {kind}, not text or a number.")
    # NaN, the one value unlike itself, is how tables written by pandas hold an empty cell.
    if value is None or value != value or not str(value).strip():
        raise ValueError(f"{where}: column {column!r} is empty.")
    return str(value)


def missing_column(column: str, columns: Iterable[str]) -> str:
    """The sentence for a column that is not there: the nearest one, and those that are."""
    there = list(columns)
    near = difflib.get_close_matches(column, there, n=1)
    hint = f"; the nearest is {near[0]!r}" if near else ""
    listed = ", ".join(repr(name) for name in there) or "none"
    return f"no column {column!r}{hint} (columns: {listed})."


def _after(text: str, marker: str | None, column: str, where: str) -> str:
    if marker is None:
        return text
    _, found, tail = text.rpartition(marker)
    if not found:
        raise ValueError(f"{where}: column {column!r} holds no {marker!r}, the answer's marker.")
    if not tail.strip():
        raise ValueError(f"{where}: column {column!r} holds nothing after its last {marker!r}.")
    return tail.strip()


def _refuse_duplicates(placed: Sequence[tuple[str, Problem]]) -> None:
    seen: dict[str, str] = {}
    for where, problem in placed:
        if problem.id in seen:
            raise ValueError(f"{where}: the id {problem.id!r} is that of {seen[problem.id]} too.")
        seen[problem.id] = where
