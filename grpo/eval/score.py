"""From the samples of a benchmark to its scores, each with an interval over questions.

Beside the score stands everything that may have bent it: answers that were cut off, that could
not be read, that nobody could judge in time. What is not a right answer counts as wrong.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
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
from grpo.eval.watched import FAILED, Groups, mean, summary

PARTS = ("subject", "level", "language", "domain", "kind")
ANSWER_MARKS = ("\\boxed", "<answer>")
"""Where the strict readings look for an answer."""

MOST_PARTS = 40
"""Parts a benchmark is broken down into; a column of more values is no breakdown."""


def scored(rows: Sequence[Row], marking: Marking) -> dict[str, Any]:
    """The results of one benchmark, as JSON has them; `rows` are in order, k a question.

    `pass` is given for every k, `cons` for the powers of two and the last; `scores` are the other
    verdicts, `by` the score of each part, `rewards` what those that look on come to, `warnings`
    what bent the score.
    """
    groups = by_question(rows)
    by_verdict = _judged(rows, groups, marking) if marking.verdicts else {}
    rewards = {name: _watched(groups, name) for name in marking.watched}
    of_reward = rewards.get(marking.score, {})
    found = {
        "k": min(map(len, groups)),
        "questions": len(groups),
        "verdict": marking.score,
        "avg": of_reward.get("mean"),
        "pass": {},
        "cons": {},
        "scores": {},
        "by": of_reward.get("by", {}),
        "warnings": [],
        **_counted(rows),
        **by_verdict,
    }
    failed = [text for name in rewards for text in _failures(rows, name)]
    return found | {"rewards": rewards, "warnings": [*found["warnings"], *failed]}


def _judged(rows: Sequence[Row], groups: Groups, marking: Marking) -> dict[str, Any]:
    """What hangs on verdicts."""
    scores = verdicts(groups, marking)
    avg = scores.pop(marking.score)
    return {
        "avg": plain(avg),
        "pass": {str(k): plain(pass_at_k(credits(groups), k)) for k in _upto(groups)},
        "cons": _consensus(groups) if marking.extractor in EXTRACTS else {},
        "scores": {name: plain(score) for name, score in scores.items()},
        "by": _parts(groups, lambda part: avg_at_k(credits(part))),
        "warnings": list(_warnings(rows, avg, scores.get("lenient"))),
    }


def _watched(groups: Groups, reward: str) -> dict[str, Any]:
    """What a reward that looks on comes to, in JSON's words."""
    told = summary(groups, reward)
    found = {name: plain(one) if isinstance(one, Estimate) else one for name, one in told.items()}
    return found | {"by": _parts(groups, lambda part: mean(part, reward, told["share"]))}


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
    """The estimate in JSON's words, where a mean of nothing is null, and so is an end that nothing
    bounds."""
    return {
        name: None if isinstance(one, float) and not isfinite(one) else one
        for name, one in asdict(estimate).items()
    }


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


def _parts(groups: Groups, score: Callable[[Groups], Estimate]) -> dict[str, dict[str, Any]]:
    """The score of each part, by every column that makes parts of the groups."""
    found = {}
    for part in PARTS:
        named: dict[str, list[Sequence[Row]]] = {}
        for group in groups:
            if (name := part_of(group[0], part)) is not None:
                named.setdefault(name, []).append(group)
        if 1 < len(named) <= MOST_PARTS:
            found[part] = {name: plain(score(named[name])) for name in sorted(named)}
    return found


def part_of(row: Row, part: str) -> str | None:
    """The row's subject, level or language, or another of its columns, as text."""
    own = part in ("subject", "level", "language")
    value = getattr(row, part) if own else row.column(part)
    return None if value in (None, "") else str(value)


def _warnings(rows: Sequence[Row], avg: Estimate, lenient: Estimate | None) -> Iterator[str]:
    """What a reader must know before believing the score."""
    cut = [row for row in rows if row.is_truncated and not row.correct]
    if cut and (lost := len(cut) / len(rows)) >= avg.high - avg.value:
        yield (
            f"{lost:.0%} of the samples were cut off and count as wrong: with room to end the "
            f"score may be up to {avg.value + lost:.1%}; raise --max-tokens{_had_answered(cut)}"
        )
    unread = [row for row in rows if row.outcome == "unparseable" and not row.is_truncated]
    if unread and (lost := len(unread) / len(rows)) >= avg.high - avg.value:
        yield f"no answer could be read in {lost:.0%} of the samples{_why_unread(unread, lenient)}"
    for outcome, what in (
        ("timeout", "could not be judged within the deadline"),
        ("error", "failed to be judged"),
        ("skipped", "were skipped by the reward"),
    ):
        if count := sum(row.outcome == outcome for row in rows):
            yield f"{count:,} of {len(rows):,} samples {what} and count as wrong"


def _failures(rows: Sequence[Row], reward: str) -> Iterator[str]:
    """What a reader must know before believing the mean of a reward that looks on."""
    if count := sum(row.found().get(reward) in FAILED for row in rows):
        yield f"{reward} failed on {count:,} of {len(rows):,} samples"


def _had_answered(cut: Sequence[Row]) -> str:
    """That most of them had an answer and went on, if so."""
    share = fmean(row.extracted is not None for row in cut)
    return f", or end them by --stop: {share:.0%} of them had answered" if share > 0.5 else ""


def _why_unread(unread: Sequence[Row], lenient: Estimate | None) -> str:
    """What most of them lack, and what a lenient reading would come to."""
    bare = fmean(not any(mark in row.completion for mark in ANSWER_MARKS) for row in unread)
    lack = f", and {bare:.0%} of those have no \\boxed{{}} and no <answer>" if bare > 0.5 else ""
    if lenient is None:
        return lack
    return (
        f"{lack}; read leniently the score is {lenient.value:.1%} (`grpo rescore RESULT --reward "
        "accuracy_lenient`)"
    )
