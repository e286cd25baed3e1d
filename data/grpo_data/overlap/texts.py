"""The questions of any source as plain texts, with what each is called.

Answers are not asked for, unlike in `grpo_data.sources`: a benchmark of code has none, and only
questions are compared.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from grpo_data import readers
from grpo_data.sources import GENERATORS, ID_COLUMN, load_problems, missing_column

QUESTION_COLUMNS = ("question", "problem", "prompt", "text", "query", "instruction", "messages")
"""What the column of the question is called, the likeliest first; capitals are no matter."""


@dataclass(frozen=True)
class Text:
    """One row's question; `id` is the row's own, else its number from 0.

    >>> Text("singleop-6", "Mark has 4 apples. ...", {"id": "singleop-6", "question": ...})
    """

    id: str
    question: str
    row: Mapping[str, Any]


@dataclass(frozen=True)
class Benchmark:
    """A benchmark's questions, held to compare with.

    >>> Benchmark("contest/aime24", "data/contest/aime24.jsonl", (Text("60", "Every ...", {}),))
    """

    name: str
    source: str
    texts: tuple[Text, ...]


def read_texts(
    source: str, column: str | None = None, *, split: str = "train", limit: int | None = None
) -> Iterator[Text]:
    """The rows of `source` (all that `load_problems` reads), one at a time, `limit` at most.

    Without a `column` it is the first of QUESTION_COLUMNS that the first row has. A conversation
    (a list of messages) is one text. Raises FileNotFoundError or ValueError in one sentence for
    what cannot be read, a column that is not there, a question that is empty or no text, and a
    source without rows.
    """
    number = -1
    for number, (where, row) in enumerate(islice(_rows(source, column, split, limit), limit)):
        column = column or _guessed(row, where)
        if column not in row:
            raise ValueError(f"{where}: {missing_column(column, row)}")
        named = row.get(ID_COLUMN)
        question = _text(row[column], column, where)
        yield Text(str(number if named is None else named), question, row)
    if number < 0:
        raise ValueError(f"{source} holds no rows.")


def read_benchmarks(
    sources: Sequence[str],
    column: str | None = None,
    *,
    split: str = "test",
    limit: int | None = None,
) -> dict[str, Benchmark]:
    """Each benchmark by a short name, the last two parts of its source ("math/test").

    `limit` takes the first so many rows of each. Raises what `read_texts` does, and ValueError
    for no sources and for one that is given twice.
    """
    if not sources:
        raise ValueError("there is no benchmark to compare with; name at least one.")
    if twice := [source for source in dict.fromkeys(sources) if sources.count(source) > 1]:
        raise ValueError(f"benchmark {twice[0]!r} is given twice.")
    short = Counter(map(_short, sources))
    held = {}
    for source in sources:
        name = _short(source) if short[_short(source)] == 1 else source
        texts = read_texts(source, column, split=split, limit=limit)
        held[name] = Benchmark(name, source, tuple(texts))
    return held


def _rows(
    source: str, column: str | None, split: str, limit: int | None
) -> Iterator[readers.Placed]:
    if source.partition(":")[0] in GENERATORS:
        for number, problem in enumerate(load_problems(source, limit=limit)):
            own = {"id": problem.id, "question": problem.question, "answer": problem.answer}
            yield f"{source} problem {number} (from 0)", {**own, **problem.columns}
        return
    texts = (column or QUESTION_COLUMNS[0], ID_COLUMN)
    yield from readers.rows(source, text_columns=texts, split=split, subset=None, revision=None)


def _guessed(row: readers.Row, where: str) -> str:
    known = {str(name).casefold(): name for name in reversed(list(row))}
    found = next((known[name] for name in QUESTION_COLUMNS if name in known), None)
    if found is None:
        there = ", ".join(map(repr, row)) or "none"
        raise ValueError(
            f"{where}: no column is called {', '.join(QUESTION_COLUMNS[:-1])} or "
            f"{QUESTION_COLUMNS[-1]}; say which holds the question (columns: {there})."
        )
    return found


def _text(value: Any, column: str, where: str) -> str:
    if isinstance(value, list):
        value = "\n".join(_content(message, column, where) for message in value)
    if not isinstance(value, str) or not value.strip():
        what = "is empty" if value is None or value == "" else f"holds no text, got {value!r:.40}"
        raise ValueError(f"{where}: column {column!r} {what}.")
    return value


def _content(message: Any, column: str, where: str) -> str:
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, str):
        raise ValueError(f"{where}: column {column!r} holds a list that is no conversation.")
    return content


def _short(source: str) -> str:
    path = Path(source)
    path = path.with_suffix("") if path.suffix.lower() in readers.READERS else path
    return "/".join(path.parts[-2:])
