"""The samples of a result as compact JSON for the page's table: wrong ones first, within a budget.

Not every sample: at most LIMIT, and as many as the bytes hold, taken evenly over benchmarks and
within each. All of them lie in samples.parquet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grpo.eval.result import Result
from grpo.eval.row import Row
from grpo.report.completions import LONGEST, evenly_spaced, script_safe
from grpo.report.result_words import blamed
from grpo.report.text import shortened

LIMIT = 1000
RIGHT_ONES = 10
"""One in so many is kept for right answers, however many wrong ones there are."""

LONGEST_ANSWER = 600


@dataclass(frozen=True)
class Shown:
    """The JSON text (safe inside a script element) and what it is a part of, as (shown, of).

    `shortened` counts completions longer than LONGEST characters, cut in the middle.

    >>> Shown('{"rows": ...}', wrong=(900, 15210), right=(100, 5110), shortened=0)
    """

    json: str
    wrong: tuple[int, int]
    right: tuple[int, int]
    shortened: int

    @property
    def is_all(self) -> bool:
        """Whether no sample was left out."""
        return self.wrong[0] == self.wrong[1] and self.right[0] == self.right[1]


def shown_samples(result: Result, budget: int) -> Shown | None:
    """As many samples as fit into `budget` bytes, at most LIMIT; None where there are none."""
    if not result.rows:
        return None
    limit = LIMIT
    while True:
        wrong, right = chosen(result.rows, limit)
        text = script_safe(_packed([*wrong, *right], result))
        if len(text.encode()) <= budget or limit == 1:
            break
        limit //= 2
    solved = sum(row.correct for row in result.rows)
    cut = sum(len(row.completion) > LONGEST for row in (*wrong, *right))
    missed = len(result.rows) - solved
    return Shown(text, (len(wrong), missed), (len(right), solved), cut)


def chosen(rows: Sequence[Row], limit: int) -> tuple[list[Row], list[Row]]:
    """(wrong, right) samples, `limit` together: wrong ones first, and a tenth for right ones."""
    wrong = [row for row in rows if not row.correct]
    right = [row for row in rows if row.correct]
    most_wrong = max(1, limit - min(len(right), limit // RIGHT_ONES))
    kept = _spread(wrong, most_wrong)
    return kept, _spread(right, limit - len(kept))


def _spread(rows: Sequence[Row], limit: int) -> list[Row]:
    """At most `limit` rows, benchmarks taking equal shares as far as they go."""
    by_benchmark: dict[str, list[Row]] = {}
    for row in rows:
        by_benchmark.setdefault(row.benchmark, []).append(row)
    kept: dict[str, list[Row]] = {}
    # Small ones first: what they leave of their share goes to the others.
    for place, name in enumerate(sorted(by_benchmark, key=lambda name: len(by_benchmark[name]))):
        share = (limit - sum(map(len, kept.values()))) // (len(by_benchmark) - place)
        kept[name] = evenly_spaced(by_benchmark[name], share) if share else []
    return [row for name in by_benchmark for row in kept[name]]


def _packed(rows: Sequence[Row], result: Result) -> dict[str, Any]:
    """Rows as short lists that point into shared lists of questions and words."""
    markings = {name: result.marking(name) for name in result.benchmarks}
    asked: dict[tuple[str, str], int] = {}
    words: dict[str, int] = {}
    questions, packed = [], []
    for row in rows:
        if row.question_key not in asked:
            asked[row.question_key] = len(asked)
            gold, prompt = shortened(row.gold, LONGEST_ANSWER), shortened(row.prompt, LONGEST)
            question = shortened(row.question, LONGEST)
            questions.append([row.benchmark, row.question_id, question, gold, prompt])
        packed.append([
            asked[row.question_key],
            row.sample,
            words.setdefault(str(row.outcome), len(words)),
            words.setdefault(blamed(row, markings[row.benchmark]), len(words)),
            None if row.extracted is None else shortened(row.extracted, LONGEST_ANSWER),
            row.reward,
            words.setdefault(row.finish_reason, len(words)),
            row.tokens,
            shortened(row.completion, LONGEST),
        ])  # fmt: skip
    return {"questions": questions, "words": list(words), "rows": packed}
