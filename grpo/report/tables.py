"""The rows of the before/after tables, ready to print on a page or in a terminal.

Every row is text already; where it goes and how it looks is the business of who shows it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grpo.report.scores import (
    NONE,
    Score,
    difference,
    interval,
    number,
    percent,
    points,
    points_interval,
    read_score,
    signed,
)

Evaluation = Mapping[str, Any]

SCORES = (
    ("strict", "strict pass@1", "right, and in the form asked for"),
    ("lenient", "lenient accuracy", "the last number is right, tags ignored"),
    ("accuracy_given_format", "accuracy given format", "right, among those in the form"),
    ("format", "format compliance", "in the form asked for"),
)


@dataclass(frozen=True)
class Row:
    """One quantity before and after, with the 95% intervals where there are any.

    `shares` are the means in [0, 1] for a bar, or None. `trend` is `up` or `down` when the
    change's interval leaves zero out, else empty.

    >>> Row("strict pass@1", "right, in the form", ("18.3%", "71.2%"), ("16.0-20.8", "68.3-73.9"),
    ...     "+52.9", "+49.2 to +56.4", (0.183, 0.712), "up")
    """

    label: str
    note: str
    values: tuple[str, str]
    intervals: tuple[str, str]
    change: str
    change_interval: str = ""
    shares: tuple[float | None, float | None] = (None, None)
    trend: str = ""


@dataclass(frozen=True)
class Section:
    """Rows under one heading.

    >>> Section("kind", (row, row))
    """

    heading: str
    rows: tuple[Row, ...]


def ends(evaluations: Sequence[Evaluation]) -> tuple[Evaluation, Evaluation]:
    """The first evaluation and the last; an empty one where a run has not come so far."""
    first = evaluations[0] if evaluations else {}
    return first, evaluations[-1] if len(evaluations) > 1 else {}


def column_names(evaluations: Sequence[Evaluation]) -> list[tuple[str, str]]:
    """(`before` or `after`, policy) of each column; a lone evaluation may be either: no word."""
    before, after = ends(evaluations)
    if after:
        return [("before", policy_name(before)), ("after", policy_name(after))]
    return [("", policy_name(before))] if before else []


def policy_name(evaluation: Evaluation) -> str:
    """The stage whose policy was evaluated, e.g. `base`."""
    return str(evaluation.get("parent") or evaluation.get("stage") or "")


def score_rows(before: Evaluation, after: Evaluation) -> tuple[Row, ...]:
    """The before/after table: the four scores, then lengths; what neither has is left out."""
    pair = (before.get("scores"), after.get("scores"))
    rows = [
        share_row(label, note, read_score(pair[0], name), read_score(pair[1], name))
        for name, label, note in SCORES
    ]
    rows.append(_plain_row("mean length", "tokens a completion", "mean_length", before, after))
    if any(isinstance(evaluation.get("truncated"), float) for evaluation in (before, after)):
        cut = (read_score(before, "truncated"), read_score(after, "truncated"))
        rows.append(share_row("cut off", "ran into the length limit", *cut))
    else:
        rows.append(_plain_row("cut off", "ran into the limit", "truncated", before, after))
    rows += _draft_rows(before.get("draft") or {}, after.get("draft") or {})
    return tuple(row for row in rows if row.values != (NONE, NONE))


def _draft_rows(before: Evaluation, after: Evaluation) -> list[Row]:
    """What an MTP draft was worth; dashes where there was none."""
    accepted = (read_score(before, "acceptance"), read_score(after, "acceptance"))
    speeds = (("with the draft", "tokens_per_second"), ("without", "tokens_per_second_without"))
    return [
        share_row("draft accepted", "of the tokens that MTP proposed", *accepted),
        *(_plain_row(f"tokens/s {how}", "a second", key, before, after) for how, key in speeds),
    ]


def share_row(label: str, note: str, before: Score | None, after: Score | None) -> Row:
    """A row of two shares and their difference in percentage points."""
    change = difference(before, after)
    return Row(
        label,
        note,
        (percent(before), percent(after)),
        (interval(before), interval(after)),
        points(change),
        points_interval(change),
        (before.mean if before else None, after.mean if after else None),
        trend(change),
    )


def trend(change: Score | None) -> str:
    """`up` or `down` when the interval leaves zero out, else empty."""
    if change is None or change.low is None or change.high is None:
        return ""
    return "up" if change.low > 0 else "down" if change.high < 0 else ""


def _plain_row(label: str, note: str, key: str, before: Evaluation, after: Evaluation) -> Row:
    one, two = number(before.get(key)), number(after.get(key))
    change = NONE if one is None or two is None else signed(two - one)
    return Row(label, note, (_plain(one), _plain(two)), ("", ""), change)


def _plain(value: float | None) -> str:
    return NONE if value is None else f"{value:,.1f}"


def breakdowns(before: Evaluation, after: Evaluation) -> tuple[Section, ...]:
    """Strict pass@1 by kind, language and whatever else the evaluations are split by."""
    one, two = (evaluation.get("by", {}) for evaluation in (before, after))
    sections = []
    for heading in dict.fromkeys((*one, *two)):
        left, right = one.get(heading, {}), two.get(heading, {})
        rows = (
            share_row(name, "", read_score(left, name), read_score(right, name))
            for name in sorted({*left, *right})
        )
        sections.append(Section(heading, tuple(rows)))
    return tuple(section for section in sections if section.rows)
