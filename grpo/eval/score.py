"""From the samples of a benchmark to its scores, each with an interval over questions.

Beside the score stands everything that may have bent it: answers that were cut off, that could
not be read, that nobody could judge in time. What is not a right answer counts as wrong.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from math import isfinite
from statistics import fmean
from typing import Any

from grpo.eval.consensus import cons_at_k
from grpo.eval.extraction import EXTRACTS, same_answer
from grpo.eval.intervals import Estimate
from grpo.eval.pass_at_k import avg_at_k, pass_at_k
from grpo.eval.row import Row
from grpo.eval.task import Marking

PARTS = ("subject", "level", "language", "kind")
MOST_PARTS = 40
"""Parts a benchmark is broken down into; a column of more values is no breakdown."""

Groups = Sequence[Sequence[Row]]
"""Rows by question."""


def scored(rows: Sequence[Row], marking: Marking) -> dict[str, Any]:
    """The results of one benchmark, as JSON has them; `rows` are in order, k a question.

    `pass` is given for every k, `cons` for the powers of two and the last; `scores` are the other
    verdicts, `by` the score of each part, `warnings` what bent the score.
    """
    groups = by_question(rows)
    scores = verdicts(groups, marking)
    avg = scores.pop(marking.score)
    found = {
        "k": min(map(len, groups)),
        "questions": len(groups),
        "verdict": marking.score,
        "avg": plain(avg),
        "pass": {str(k): plain(pass_at_k(credits(groups), k)) for k in _upto(groups)},
        "cons": _consensus(groups) if marking.extractor in EXTRACTS else {},
        "scores": {name: plain(score) for name, score in scores.items()},
        **_counted(rows),
        "by": dict(_parts(groups)),
    }
    return found | {"warnings": list(_warnings(rows, avg, scores.get("lenient")))}


def verdicts(groups: Groups, marking: Marking) -> dict[str, Estimate]:
    """avg@k by every verdict, the score first; with a format, the score given it besides."""
    found = {
        name: avg_at_k([[marking.is_right(name, row.found()) for row in g] for g in groups])
        for name in marking.verdicts
    }
    if "format" in marking.verdicts:
        found["accuracy_given_format"] = _given_format(groups, marking)
    return found


def by_question(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows of each question, in the order given."""
    return [list(group) for _, group in groupby(rows, key=lambda row: row.question_key)]


def credits(groups: Groups) -> list[list[bool]]:
    """Whether each sample of each question is right."""
    return [[row.correct for row in group] for group in groups]


def votes(groups: Groups) -> list[list[str | None]]:
    """The answers that vote in a majority: right ones as the reference, others as extracted.

    So the reward decides which spellings of the right answer are one; of wrong answers those that
    are the same number or the same text.
    """
    return [[row.gold if row.correct else row.extracted for row in group] for group in groups]


def plain(estimate: Estimate) -> dict[str, Any]:
    """The estimate in JSON's words, where a mean of nothing is null."""
    found = asdict(estimate)
    return found | {"value": estimate.value if isfinite(estimate.value) else None}


def _upto(groups: Groups) -> range:
    return range(1, min(map(len, groups)) + 1)


def _consensus(groups: Groups) -> dict[str, dict[str, Any]]:
    answers = votes(groups)
    most = min(map(len, groups))
    ks = [k for k in _upto(groups) if k.bit_count() == 1 or k == most]
    return {str(k): plain(cons_at_k(answers, credits(groups), k, key=same_answer)) for k in ks}


def _given_format(groups: Groups, marking: Marking) -> Estimate:
    """The score among samples that have the form, over questions that have such samples."""
    formed = [[row for row in g if marking.is_right("format", row.found())] for g in groups]
    return avg_at_k(credits([group for group in formed if group]))


def _counted(rows: Sequence[Row]) -> dict[str, float]:
    outcomes = Counter(row.outcome for row in rows)
    shares = {
        name: outcomes[name] / len(rows) for name in ("unparseable", "timeout", "error", "skipped")
    }
    return {
        "truncated": fmean(row.is_truncated for row in rows),
        **shares,
        "mean_tokens": fmean(row.tokens for row in rows),
    }


def _parts(groups: Groups) -> Iterator[tuple[str, dict[str, Any]]]:
    for part in PARTS:
        named: dict[str, list[Sequence[Row]]] = {}
        for group in groups:
            if (name := part_of(group[0], part)) is not None:
                named.setdefault(name, []).append(group)
        if 1 < len(named) <= MOST_PARTS:
            yield part, {name: plain(avg_at_k(credits(named[name]))) for name in sorted(named)}


def part_of(row: Row, part: str) -> str | None:
    """The row's subject, level or language, or another of its columns, as text."""
    own = part in ("subject", "level", "language")
    value = getattr(row, part) if own else row.column(part)
    return None if value in (None, "") else str(value)


def _warnings(rows: Sequence[Row], avg: Estimate, lenient: Estimate | None) -> Iterator[str]:
    """What a reader must know before believing the score."""
    cut = fmean(row.is_truncated and not row.correct for row in rows)
    if cut > avg.high - avg.value:
        yield (
            f"{cut:.0%} of the samples were cut off before an answer and count as wrong: with room "
            f"to end the score may be up to {avg.value + cut:.1%}; raise --max-tokens"
        )
    lost = fmean(row.outcome == "unparseable" and not row.is_truncated for row in rows)
    if lost > avg.high - avg.value:
        reading = f"; read leniently the score is {lenient.value:.1%}" if lenient else ""
        yield f"no answer could be read in {lost:.0%} of the samples that ended{reading}"
    for outcome, what in (
        ("timeout", "could not be judged within the deadline"),
        ("error", "failed to be judged"),
        ("skipped", "were skipped by the reward"),
    ):
        if count := sum(row.outcome == outcome for row in rows):
            yield f"{count:,} of {len(rows):,} samples {what} and count as wrong"
