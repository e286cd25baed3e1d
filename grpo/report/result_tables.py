"""What a result's page says in tables: scores, parts, and how it was asked.

Everything is text already but the scores that bars are drawn from. No number is worked out here.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grpo.eval.result import Result
from grpo.report.scores import (
    NONE,
    Score,
    amount,
    amount_interval,
    is_share,
    number,
    read_score,
)
from grpo.report.text import short_name

Found = Mapping[str, Any]
"""The results of one benchmark."""

VERDICTS = {
    "lenient": "whatever the form",
    "format": "in the form asked for",
    "accuracy_given_format": "right, of those in form",
}
SHARES = (
    ("truncated", "cut off", "at the length limit"),
    ("unparseable", "unread", "no answer found"),
    ("timeout", "late", "not judged in time"),
    ("error", "failed", "to be judged"),
    ("skipped", "skipped", "by the reward"),
)
ALWAYS_SHOWN = ("truncated", "unparseable")
OF_SEVERAL = (("pass@k", "any of k right"), ("cons@k", "majority right"))
"""Columns that say nothing new of one sample a question."""


@dataclass(frozen=True)
class Cell:
    """A number and its 95% interval, as text.

    >>> Cell("31.2%", "28.8-33.7")
    """

    value: str
    interval: str = ""


@dataclass(frozen=True)
class Line:
    """A row of a table; `score` is the first cell's, for its bar.

    >>> Line("gsm8k", "1,319 questions x 4", (Cell("31.0%", "29.0-33.1"),),
    ...      Score(0.31, 0.29, 0.331))
    """

    label: str
    note: str
    cells: tuple[Cell, ...]
    score: Score | None


@dataclass(frozen=True)
class Part:
    """Lines under one heading.

    >>> Part("math500 by level", (line, line))
    """

    heading: str
    lines: tuple[Line, ...]


def heads(result: Result) -> list[tuple[str, str]]:
    """(name, what it is) of every column after the benchmark's name."""
    found = result.benchmarks.values()
    return [
        ("avg@k", "samples right"),
        *(OF_SEVERAL if _has_several(found) else ()),
        *((name.replace("_", " "), VERDICTS.get(name, "")) for name in _verdicts(found)),
        *((head, about) for key, head, about in SHARES if _is_shown(key, found)),
        ("tokens", "mean"),
    ]


def lines(result: Result) -> list[Line]:
    """A line a benchmark, its cells under `heads`."""
    every = result.benchmarks.values()
    return [
        Line(name, asked(found), tuple(_cells(found, every)), _bar(found))
        for name, found in result.benchmarks.items()
    ]


def watched(result: Result) -> list[Line]:
    """A line a benchmark and reward that looked on: mean, wins, without words, skipped, failed."""
    return [
        Line(short_name(reward), name, tuple(_watched(told)), None)
        for name, found in result.benchmarks.items()
        for reward, told in found.get("rewards", {}).items()
    ]


def _watched(told: Mapping[str, Any]) -> Iterator[Cell]:
    yield cell(read_score(told, "mean"), told["share"])
    yield from (cell(read_score(told, name)) for name in ("win", "without_words"))
    yield from (Cell(f"{told[name]:.1%}") for name in ("skipped", "failed"))


def parts(result: Result) -> list[Part]:
    """The breakdowns of every benchmark; one language alone, or none, is no breakdown."""
    return [
        Part(
            f"{name} by {part}",
            tuple(_part_line(label, scores, is_share(found)) for label in scores),
        )
        for name, found in result.benchmarks.items()
        for part, scores in found["by"].items()
    ]


def asked(found: Found) -> str:
    """How many questions, and samples of each."""
    return f"{found['questions']:,} questions \N{MULTIPLICATION SIGN} {found['k']:,}"


def cell(score: Score | None, share: bool = True) -> Cell:
    """A score as text."""
    return Cell(amount(score, share), amount_interval(score, share))


def _cells(found: Found, every: Collection[Found]) -> Iterator[Cell]:
    k = str(found["k"])
    yield cell(read_score(found, "avg"), is_share(found))
    if _has_several(every):
        yield from (cell(read_score(found[name], k)) for name in ("pass", "cons"))
    yield from (cell(read_score(found["scores"], name)) for name in _verdicts(every))
    yield from (Cell(f"{found[key]:.1%}") for key, _, _ in SHARES if _is_shown(key, every))
    tokens = number(found["mean_tokens"])
    yield Cell(NONE if tokens is None else f"{tokens:,.0f}")


def _verdicts(every: Collection[Found]) -> list[str]:
    """The names of all other verdicts, each once."""
    return list(dict.fromkeys(name for found in every for name in found["scores"]))


def _has_several(every: Collection[Found]) -> bool:
    """Whether any benchmark has more than one sample a question."""
    return any(found["k"] > 1 for found in every)


def _is_shown(key: str, every: Collection[Found]) -> bool:
    return key in ALWAYS_SHOWN or any(found[key] for found in every)


def _bar(found: Found) -> Score | None:
    """The score where a bar from 0 to 100% can show it."""
    return read_score(found, "avg") if is_share(found) else None


def _part_line(label: str, scores: Mapping[str, Any], share: bool) -> Line:
    score = read_score(scores, label)
    count = number(scores[label].get("n_questions"))
    note = "" if count is None else f"{count:,.0f}"
    return Line(label, note, (cell(score, share),), score if share else None)
