"""A stored result's test-time scaling: its samples graded, and the curves they allow.

Whoever chooses among samples chooses an answer, so a sample without a readable one is never
preferred: it has no score, as it has no vote. Nothing is sampled here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from grpo.errors import UserError
from grpo.eval.extraction import EXTRACTS, extracted, same_answer
from grpo.eval.grading import Grader
from grpo.eval.result import Result
from grpo.eval.row import Row
from grpo.eval.samples import size
from grpo.eval.scaling import Scaling, scaling
from grpo.eval.score import by_question, plain
from grpo.eval.task import Marking
from grpo.eval.watched import Groups


@dataclass(frozen=True)
class Table:
    """One benchmark's samples as tables of questions by samples.

    `answers` are None where a sample has none, and as a whole where the verdict reads no answer.

    >>> Table(correct=[[True, False]], answers=[["7", None]], scores={"prm": [[0.9, None]]})
    """

    correct: list[list[bool]]
    answers: list[list[str | None]] | None
    scores: dict[str, list[list[float | None]]]


@dataclass(frozen=True)
class Scaled:
    """The curves of one benchmark by one verdict.

    >>> Scaled("gsm8k", "accuracy", 200, 12800, Scaling({"coverage": {1: ...}}, Law(...)))
    """

    benchmark: str
    verdict: str
    questions: int
    samples: int
    scaling: Scaling


def scaled(result: Result, graders: Sequence[Grader], verdict: str | None = None) -> list[Scaled]:
    """The curves of every benchmark of `result`, by `verdict` or each by its own.

    Where nothing is right or wrong there is no curve. Raises UserError for a result without any,
    for a verdict the samples were not judged by, and what graders raise.
    """
    names = [name for name in result.benchmarks if result.marking(name).verdicts]
    if not names:
        raise UserError(f"{result.folder}: nothing is right or wrong there, so nothing can scale")
    found = []
    for name in names:
        by = verdict or result.marking(name).score
        table = table_of(by_question(result.rows_of(name)), result.marking(name), by, graders)
        curves = scaling(table.correct, table.answers, table.scores, key=same_answer)
        found.append(Scaled(name, by, len(table.correct), size(table.correct), curves))
    return found


def table_of(
    groups: Groups, marking: Marking, verdict: str, graders: Sequence[Grader] = ()
) -> Table:
    """The samples of `groups` (rows by question) as `verdict` judges and the graders score them."""
    if verdict not in marking.verdicts:
        raise UserError(
            f"the samples were not judged by {verdict!r}; their verdicts are "
            f"{', '.join(marking.verdicts)} (`grpo rescore` judges again)"
        )
    correct = [[marking.is_right(verdict, row.found()) for row in group] for group in groups]
    reader = marking.verdicts[verdict][0]
    answers = _answers(groups, correct, reader) if reader in EXTRACTS else None
    scores = {grader.name: _scores(grader, groups, answers) for grader in graders}
    if len(scores) < len(graders):
        raise UserError(f"two scores have one name: {', '.join(g.name for g in graders)}")
    return Table(correct, answers, scores)


def answer_of(row: Row, reader: str, is_right: bool) -> str | None:
    """What a sample votes for: the reference where it is right, else what `reader` reads."""
    return row.gold if is_right else extracted(reader, row.prompt, row.completion)


def _answers(
    groups: Groups, correct: Sequence[Sequence[bool]], reader: str
) -> list[list[str | None]]:
    return [
        [answer_of(row, reader, is_right) for row, is_right in zip(group, judged, strict=True)]
        for group, judged in zip(groups, correct, strict=True)
    ]


def _scores(
    grader: Grader, groups: Groups, answers: Sequence[Sequence[str | None]] | None
) -> list[list[float | None]]:
    given = iter(grader.grade([row for group in groups for row in group]))
    scores = [[next(given) for _ in group] for group in groups]
    if answers is None:
        return scores
    return [
        [None if answer is None else score for score, answer in zip(*pair, strict=True)]
        for pair in zip(scores, answers, strict=True)
    ]


def document(found: Sequence[Scaled], graders: Sequence[Grader]) -> dict[str, Any]:
    """The curves as JSON has them."""
    return {
        "scores": {grader.name: grader.kind for grader in graders},
        "benchmarks": {one.benchmark: _plain(one) for one in found},
    }


def _plain(one: Scaled) -> Mapping[str, Any]:
    law = one.scaling.law
    return {
        "verdict": one.verdict,
        "questions": one.questions,
        "samples": one.samples,
        "curves": {
            name: {str(k): plain(point) for k, point in curve.items()}
            for name, curve in one.scaling.curves.items()
        },
        "law": None if law is None else {"form": "exp(a n^b)", **asdict(law)},
    }
