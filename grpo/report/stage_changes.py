"""What each stage changed: every checkpoint against the one before it, problem by problem.

Problems are paired, so what makes a problem hard cancels out; the intervals of two rows of the
stage table may overlap where the difference is plain.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite

from grpo.errors import UserError
from grpo.eval.paired import compare
from grpo.eval.result import Result, read_result
from grpo.eval.score import by_question
from grpo.eval.task import Marking
from grpo.eval.watched import Groups, change
from grpo.report.run_directory import RunDirectory
from grpo.report.scores import NONE, Score, amount_interval, decimals, points, points_interval
from grpo.report.stage_rows import Policy
from grpo.report.stage_table import BENCHMARKS, Measure, measures_of
from grpo.report.tables import trend


@dataclass(frozen=True)
class Change:
    """A difference as text, with its 95% interval; `trend` is `up` or `down` when that leaves zero
    out, else empty.

    >>> Change("+52.9", "+49.5 to +56.1", "up")
    """

    value: str
    interval: str = ""
    trend: str = ""


@dataclass(frozen=True)
class Changes:
    """A benchmark's table: the measures, and a row from each checkpoint to the next.

    >>> Changes("Reasoning", measures, (("cold-start", "reasoning-rl", 1000, (change, ...)),))
    """

    title: str
    measures: tuple[Measure, ...]
    rows: tuple[tuple[str, str, int, tuple[Change, ...]], ...]


class Sampled:
    """The samples of a run's evaluations, each folder read once; empty where it cannot be."""

    def __init__(self, run: RunDirectory) -> None:
        self._root = run.path / "evaluations"
        self._results: dict[str, Result | None] = {}

    def result(self, policy: Policy, benchmark: str) -> Result | None:
        """The evaluation that the policy's `benchmark` is of."""
        stage = policy.stages[benchmark]
        if stage not in self._results:
            try:
                self._results[stage] = read_result(self._root / stage)
            except (UserError, OSError, ValueError, KeyError):
                self._results[stage] = None
        return self._results[stage]

    def marking(self, policy: Policy, benchmark: str) -> Marking | None:
        """How they were judged."""
        result = self.result(policy, benchmark)
        return result.marking(benchmark) if result else None

    def groups(self, policy: Policy, benchmark: str) -> Groups:
        """Its samples by question."""
        result = self.result(policy, benchmark)
        return by_question(result.rows_of(benchmark)) if result else []


def changes(policies: Sequence[Policy], sampled: Sampled) -> list[Changes]:
    """A table for each benchmark that more than one checkpoint was asked."""
    found = []
    for benchmark, (title, _) in BENCHMARKS.items():
        asked = [policy for policy in policies if benchmark in policy.found]
        measures = [one for one in measures_of(asked, benchmark) if one.ranked] if asked else []
        rows = tuple(_rows(asked, benchmark, measures, sampled))
        if rows:
            found.append(Changes(title, tuple(measures), rows))
    return found


def _rows(
    policies: Sequence[Policy], benchmark: str, measures: Sequence[Measure], sampled: Sampled
) -> Iterator[tuple[str, str, int, tuple[Change, ...]]]:
    for before, after in pairwise(policies):
        old, new = _alike(*(sampled.groups(policy, benchmark) for policy in (before, after)))
        marking = sampled.marking(after, benchmark)
        if old and marking:
            cells = (_change(one, old, new, marking) for one in measures)
            yield before.label, after.label, len(old), tuple(cells)


def _alike(old: Groups, new: Groups) -> tuple[Groups, Groups]:
    """The samples of the questions that both were asked, in one order."""
    asked = {(group[0].question_id, group[0].question): group for group in old}
    common = [group for group in new if (group[0].question_id, group[0].question) in asked]
    return [asked[group[0].question_id, group[0].question] for group in common], common


def _change(measure: Measure, old: Groups, new: Groups, marking: Marking) -> Change:
    if measure.path[0] == "rewards":
        found = change(old, new, measure.path[1], measure.share)
    else:
        sides = (_credits(groups, measure.head, marking) for groups in (old, new))
        found = compare(*sides).difference
    if not found.n_questions:
        return Change(NONE)
    score = Score(found.value, *(end if isfinite(end) else None for end in (found.low, found.high)))
    if measure.share:
        return Change(points(score), points_interval(score), trend(score))
    between = amount_interval(score, False)
    return Change(decimals(found.value, "+"), between, trend(score))


def _credits(groups: Groups, verdict: str, marking: Marking) -> dict[str, list[bool]]:
    return {
        group[0].question_id: [marking.is_right(verdict, row.found()) for row in group]
        for group in groups
    }
