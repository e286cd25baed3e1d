"""Two results on one page: their difference by benchmark, and changed questions side by side.

Which questions are shown is a fixed rule and said on the page: the most changed of those that got
worse and of those that got better. Everything on the page works without JavaScript.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grpo.eval.intervals import Estimate
from grpo.eval.paired import Comparison, Flip
from grpo.eval.pairing import caveats
from grpo.eval.result import Result
from grpo.eval.row import Row
from grpo.report.result_tables import Cell, cell
from grpo.report.result_words import blamed, listed, name_of
from grpo.report.scores import Score, points, points_interval
from grpo.report.tables import trend
from grpo.report.template import style, template, write_page

ANSWER_SHOWN = 2500
NAMED = 3
VERBS = {"up": "rose", "down": "fell", "": "did not measurably change"}


@dataclass(frozen=True)
class Change:
    """A benchmark's line: both scores, their difference, and how many questions moved.

    >>> Change("gsm8k", 1319, (Cell("31.0%"), Cell("36.2%")), Score(0.052, 0.021, 0.083),
    ...        Cell("+5.2", "+2.1 to +8.3"), "up", "0.0013", "exact sign flips", 210, 141)
    """

    benchmark: str
    questions: int
    scores: tuple[Cell, Cell]
    difference: Score
    words: Cell
    trend: str
    p: str
    p_method: str
    improved: int
    worsened: int


@dataclass(frozen=True)
class Side:
    """What one result answered to a question: one of its samples, the rewards by which it is not
    right where there are several, and how many of the samples were right.

    >>> Side(row, is_right=False, blamed="format", right=1, of=4)
    """

    row: Row
    is_right: bool
    blamed: str
    right: int
    of: int


@dataclass(frozen=True)
class Turned:
    """The questions of a benchmark that turned one way: how many, and those shown.

    >>> Turned("gsm8k", "got worse", 141, ((Side(row, 4, 4), Side(row, 0, 4)),))
    """

    benchmark: str
    way: str
    count: int
    shown: tuple[tuple[Side, Side], ...]


def write_compare_page(
    path: Path,
    before: Result,
    after: Result,
    found: Mapping[str, Comparison],
    shown: int,
    measure: str | None = None,
) -> Path:
    """Write the comparison `found` of two results to `path`, which is returned.

    `shown` changed questions of each benchmark are put side by side, each way; `measure` is what
    they were compared by, where it is not their scores.
    """
    changes = [change_of(name, comparison) for name, comparison in found.items()]
    parts = {
        "names": (name_of(before), name_of(after)),
        "folders": (before.folder, after.folder),
        "headline": headline(changes),
        "facts": (),
        "measure": measure,
        "caveats": [
            *(f"{text}." for text in caveats(before, after, found, measure)),
            *_left_out(found),
        ],
        "changes": changes,
        "extent": extent(changes),
        "turned": list(turned(before, after, found, shown, measure)),
        "answer_shown": ANSWER_SHOWN,
        "style": style(),
    }
    return write_page(template("compare.html"), parts, path)


def headline(changes: Sequence[Change]) -> str:
    """One sentence: which scores rose, fell, or did not measurably change."""
    if len(changes) <= NAMED:
        each = [f"{one.benchmark} {VERBS[one.trend]} ({_points(one)})" for one in changes]
        return f"From before to after, {listed(each)}."
    counts = {verb: sum(one.trend == way for one in changes) for way, verb in VERBS.items()}
    each = [f"{count} of them {verb}" for verb, count in counts.items() if count]
    return f"{len(changes)} benchmarks, before and after: {listed(each)}."


def extent(changes: Sequence[Change]) -> float:
    """Where the bars of changes end, each way: a whole tenth that no interval goes beyond."""
    ends = [abs(end or 0.0) for one in changes for end in (one.difference.low, one.difference.high)]
    return max(1, math.ceil(10 * max(ends))) / 10


def change_of(name: str, found: Comparison) -> Change:
    """The benchmark's line."""
    difference = _score(found.difference)
    return Change(
        name,
        found.difference.n_questions,
        (cell(_score(found.before)), cell(_score(found.after))),
        difference,
        Cell(points(difference), points_interval(difference)),
        trend(difference),
        f"{found.p:.4f}" if found.p >= 0.0001 else "< 0.0001",
        found.p_method,
        found.improved,
        found.worsened,
    )


def turned(
    before: Result,
    after: Result,
    found: Mapping[str, Comparison],
    shown: int,
    measure: str | None = None,
) -> Iterator[Turned]:
    """The questions that got worse, then those that got better, benchmark by benchmark; none where
    they were compared by a reward, by which nothing is right or wrong."""
    for name, comparison in found.items():
        judged = [_judged(result, name, measure) for result in (before, after)]
        for way, sign in (("got worse", -1), ("got better", 1)):
            flips = [flip for flip in comparison.flips if flip.change * sign > 0]
            if flips and all(judged):
                pairs = (_pair(flip, *judged) for flip in flips[:shown])
                yield Turned(name, way, len(flips), tuple(pairs))


Judged = Mapping[str, list[tuple[Row, bool, str]]]
"""By question, its samples, whether they are right, and who is to blame where not."""


def _judged(result: Result, name: str, measure: str | None) -> Judged:
    """The samples as the score judged them, or the verdict `measure`; empty where that is none."""
    marking = result.marking(name)
    verdict = measure or marking.score
    found: dict[str, list[tuple[Row, bool, str]]] = {}
    for row in result.rows_of(name) if verdict in marking.verdicts else ():
        is_right = marking.is_right(verdict, row.found())
        one = (row, is_right, blamed(row, marking, verdict))
        found.setdefault(row.question_id, []).append(one)
    return found


def _pair(flip: Flip, old: Judged, new: Judged) -> tuple[Side, Side]:
    is_better = flip.change > 0
    return _side(old[flip.question], not is_better), _side(new[flip.question], is_better)


def _side(samples: Sequence[tuple[Row, bool, str]], wanted: bool) -> Side:
    """The first sample that shows the turn: a right one where it was better, a wrong one else."""
    shown = next((one for one in samples if one[1] == wanted), samples[0])
    return Side(*shown, sum(is_right for _, is_right, _ in samples), len(samples))


def _left_out(found: Mapping[str, Comparison]) -> Iterator[str]:
    for name, one in found.items():
        for only, when in ((one.only_before, "before"), (one.only_after, "after")):
            if only:
                yield f"{name}: {len(only):,} questions were asked only {when}, and are left out."


def _points(one: Change) -> str:
    return f"{one.words.value} points, 95% interval {one.words.interval}"


def _score(estimate: Estimate) -> Score:
    return Score(estimate.value, estimate.low, estimate.high)
