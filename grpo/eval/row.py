"""A sample of a result: what was asked, what was answered, what was found; and its Parquet form.

Rows are whole: questions and references are repeated, so that samples can be read, judged again
and compared without the benchmark they came from. Token ids are not kept.
"""

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from grpo.checkpoint.atomic import atomic_write

SCHEMA = pa.schema(
    [
        ("benchmark", pa.string()),
        ("question_id", pa.string()),
        ("question", pa.string()),
        ("gold", pa.string()),
        ("language", pa.string()),
        ("subject", pa.string()),
        ("level", pa.string()),
        ("sample", pa.int64()),
        ("seed", pa.int64()),
        ("prompt", pa.string()),
        ("completion", pa.string()),
        ("finish_reason", pa.string()),
        ("tokens", pa.int64()),
        ("logprob", pa.float64()),
        ("extracted", pa.string()),
        ("outcome", pa.string()),
        ("correct", pa.bool_()),
        ("reward", pa.float64()),
        ("outcomes", pa.string()),
        ("columns", pa.string()),
        ("values", pa.string()),
    ]
)

Key = tuple[str, str, int]
"""(benchmark, question_id, sample): what no two rows share."""


@dataclass(frozen=True)
class Row:
    """One sample. `tokens` counts its end token; `logprob` sums its tokens' log-probabilities.

    `outcome` is None until it is judged; then `outcomes` and `values` hold each reward's, as JSON
    (a value of null: it skipped the sample), and `reward` their weighted sum. `columns` are the
    problem's others, as JSON.

    >>> Row("gsm8k", "17", "Janet ...", "18", "en", None, None, 3, 77, "<|user|>...", "...18}",
    ...     "stop", 212, -41.5, "18", "correct", True, 1.0, '{"accuracy": "correct"}', "{}",
    ...     '{"accuracy": 1.0}')
    """

    benchmark: str
    question_id: str
    question: str
    gold: str
    language: str | None
    subject: str | None
    level: str | None
    sample: int
    seed: int
    prompt: str
    completion: str
    finish_reason: str
    tokens: int
    logprob: float | None
    extracted: str | None = None
    outcome: str | None = None
    correct: bool = False
    reward: float | None = None
    outcomes: str = "{}"
    columns: str = "{}"
    values: str = "{}"

    @property
    def key(self) -> Key:
        """What no other row has."""
        return self.benchmark, self.question_id, self.sample

    @property
    def question_key(self) -> tuple[str, str]:
        """(benchmark, question_id)."""
        return self.benchmark, self.question_id

    @property
    def is_truncated(self) -> bool:
        """Whether it was cut off at the length limit."""
        return self.finish_reason == "length"

    def found(self) -> dict[str, str]:
        """Each reward's outcome."""
        outcomes: dict[str, str] = json.loads(self.outcomes)
        return outcomes

    def value(self, reward: str) -> float | None:
        """What `reward` gave, before its weight; None where it skipped the sample, or is not one
        of those that judged it."""
        value: float | None = json.loads(self.values).get(reward)
        return value

    def column(self, name: str) -> Any:
        """One of the problem's other columns, None where it has none of that name."""
        return json.loads(self.columns).get(name)

    def unjudged(self) -> "Row":
        """The sample as it was drawn."""
        return replace(
            self, extracted=None, outcome=None, correct=False, reward=None, outcomes="{}",
            values="{}",
        )  # fmt: skip


_NAMES = [field.name for field in fields(Row)]


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write the rows whole or not at all."""
    columns = {name: [getattr(row, name) for row in rows] for name in _NAMES}
    sink = io.BytesIO()
    pq.write_table(pa.table(columns, schema=SCHEMA), sink, compression="zstd")
    atomic_write(path, sink.getvalue())


def read_rows(path: Path) -> list[Row]:
    """The rows of a file that `write_rows` wrote; a column it did not know yet is empty."""
    file = pq.ParquetFile(path)
    names = [name for name in _NAMES if name in file.schema_arrow.names]
    table = file.read(columns=names).to_pydict()
    rows = zip(*(table[name] for name in names), strict=True)
    return [Row(**dict(zip(names, values, strict=True))) for values in rows]


def in_order(rows: Iterable[Row], questions: Iterable[tuple[str, str]]) -> list[Row]:
    """The rows of `questions` in their order, samples ascending."""
    place = {question: number for number, question in enumerate(questions)}
    kept = [row for row in rows if row.question_key in place]
    return sorted(kept, key=lambda row: (place[row.question_key], row.sample))
