"""One evaluation: every sample that is not on the shelf is drawn, judged and put there.

All tasks go to the answerer as one stream, the longest first, so that no long answer is begun
when all others are done. How long an answer will be nobody knows; the length of its question is
the best sign there is.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

from grpo.eval.answerer import Answer, Answerer, Asked
from grpo.eval.marker import Marker, ScorerOf
from grpo.eval.row import Key, Row, in_order
from grpo.eval.shelf import NoShelf, Shelf
from grpo.eval.task import Task
from grpo.sampler.seeds import request_seed
from grpo_data.problem import Problem

Tell = Callable[[Sequence[Row]], None]
"""What hears of samples as they are judged."""


def examine(
    tasks: Sequence[Task],
    answerer: Answerer,
    scorer_of: ScorerOf,
    seed: int,
    shelf: Shelf | None = None,
    tell: Tell = lambda rows: None,
) -> list[Row]:
    """All samples of `tasks`, judged, in the tasks' order.

    Each sample's seed hangs on (seed, purpose, problem, sample) alone, so neither the order nor a
    resume changes one. `tell` hears of samples as they are judged.
    """
    shelf = shelf or NoShelf()
    there = {row.key: row for row in shelf.rows()}
    stream = _longest_first(_to_draw(tasks, answerer, seed, set(there)))
    wanted = set(_keys(tasks))
    with Marker(tasks, scorer_of, shelf, tell) as marker:
        for row in there.values():
            if row.outcome is None and row.key in wanted:
                marker.put(row)
        with closing(answerer.answer([asked for asked, _ in stream])) as answers:
            for place, answer in answers:
                asked, row_of = stream[place]
                marker.put(row_of(asked, answer))
    questions = [(task.name, problem.id) for task in tasks for problem in task.problems]
    return in_order((row for row in shelf.rows() if row.key in wanted), questions)


RowOf = Callable[[Asked, Answer], Row]


def _keys(tasks: Sequence[Task]) -> Iterator[Key]:
    for task in tasks:
        for problem in task.problems:
            yield from ((task.name, problem.id, sample) for sample in range(task.k))


def _to_draw(
    tasks: Sequence[Task], answerer: Answerer, seed: int, there: set[Key]
) -> Iterator[tuple[Asked, RowOf]]:
    for task in tasks:
        for problem in task.problems:
            missing = [s for s in range(task.k) if (task.name, problem.id, s) not in there]
            put = answerer.put(problem, task.prompt) if missing else None
            for sample in missing:
                assert put is not None
                drawn = request_seed(seed, 0, problem.id, sample, task.purpose)
                yield Asked(put, drawn), _row_of(task, problem, sample)


def _longest_first(stream: Iterator[tuple[Asked, RowOf]]) -> list[tuple[Asked, RowOf]]:
    # Stable: a question's samples stay together, and share the cache of their prompt.
    return sorted(stream, key=lambda one: -one[0].put.length)


def _row_of(task: Task, problem: Problem, sample: int) -> RowOf:
    columns = problem.columns

    def about(name: str) -> str | None:
        return None if columns.get(name) is None else str(columns[name])

    def row_of(asked: Asked, answer: Answer) -> Row:
        return Row(
            benchmark=task.name,
            question_id=problem.id,
            question=problem.question,
            gold=problem.answer,
            language=about("language"),
            subject=about("subject"),
            level=about("level"),
            sample=sample,
            seed=asked.seed,
            prompt=asked.put.text,
            completion=answer.text,
            finish_reason=answer.finish_reason,
            tokens=answer.tokens,
            logprob=answer.logprob,
            columns=json.dumps(dict(columns), ensure_ascii=False, default=str),
        )

    return row_of
