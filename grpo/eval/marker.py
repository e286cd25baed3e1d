"""Judging while sampling goes on: a thread that takes finished samples and puts them on the shelf.

The rewards themselves run in their killable processes; the thread only waits for them. What it
cannot judge it keeps as it was drawn.
"""

import json
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from types import TracebackType
from typing import Any

from grpo.eval.extraction import extracted
from grpo.eval.row import Row
from grpo.eval.shelf import Shelf
from grpo.eval.task import Marking, Task
from grpo_rewards.verdict import Verdict
from grpo_rewards.workers import Scorer

BATCH = 64
"""Samples judged at once; more wait for the next turn."""

ScorerOf = Callable[[Mapping[str, float]], Scorer]
"""The reward workers for a task's rewards; asked again, the same."""


def judged(rows: Sequence[Row], marking: Marking, scorer: Scorer) -> list[Row]:
    """The rows with what the rewards say of them; they read a row, and nothing but the row."""
    verdicts = scorer.score(
        [row.prompt for row in rows],
        [row.completion for row in rows],
        [_columns(row) for row in rows],
    )
    return [_marked(row, marking, found) for row, found in zip(rows, verdicts, strict=True)]


def _columns(row: Row) -> dict[str, Any]:
    return {**json.loads(row.columns), "question": row.question, "answer": row.gold}


def _marked(row: Row, marking: Marking, verdict: Verdict) -> Row:
    return replace(
        row,
        extracted=extracted(marking.extractor, row.prompt, row.completion),
        outcome=marking.outcome(verdict.outcomes),
        correct=marking.is_right(marking.score, verdict.outcomes),
        reward=verdict.reward,
        outcomes=json.dumps(dict(verdict.outcomes)),
        values=json.dumps(dict(verdict.parts)),
    )


class Marker:
    """Judges what `put` hands over, in a thread of its own; leaving it waits for the last.

    `tell` is called with every batch that was judged. An error of a reward is raised by the next
    `put`, or on leaving; all samples handed over are on the shelf then, judged or not.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        scorer_of: ScorerOf,
        shelf: Shelf,
        tell: Callable[[Sequence[Row]], None],
    ) -> None:
        self._markings = {task.name: task.marking for task in tasks}
        self._scorers = {task.name: scorer_of(task.marking.rewards) for task in tasks}
        self._shelf, self._tell = shelf, tell
        self._queue: queue.SimpleQueue[Row | None] = queue.SimpleQueue()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="marker", daemon=True)

    def __enter__(self) -> "Marker":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._queue.put(None)
        self._thread.join()
        self._shelf.flush()
        if self._error is not None and error is None:
            raise self._error

    def put(self, row: Row) -> None:
        """Hand a sample over. Raises what went wrong with an earlier one."""
        self._queue.put(row)
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while rows := self._next():
            try:
                if self._error is None:
                    rows = self._judge(rows)
                    self._tell(rows)
            except BaseException as error:
                self._error = error
            try:
                self._shelf.add(rows)
            except BaseException as error:
                self._error = self._error or error

    def _next(self) -> list[Row]:
        """One sample or more as soon as there are any; none at the end."""
        rows: list[Row] = []
        while len(rows) < BATCH and not (rows and self._queue.empty()):
            row = self._queue.get()
            if row is None:
                self._queue.put(None)
                break
            rows.append(row)
        return rows

    def _judge(self, rows: Sequence[Row]) -> list[Row]:
        by_task = groupby(sorted(rows, key=lambda row: row.benchmark), lambda row: row.benchmark)
        return [
            row
            for name, group in by_task
            for row in judged(list(group), self._markings[name], self._scorers[name])
        ]
