"""Sample answers of every checkpoint to the same prompts, side by side, a few prompts a kind.

Which prompts are shown is a fixed rule and said on the page: of each kind the first that all were
asked, languages taking turns. Of several samples the first is shown.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from grpo.eval.result import REASONED
from grpo.eval.row import Row
from grpo.eval.watched import is_of_language, measured
from grpo.report.scores import decimals
from grpo.report.stage_changes import Sampled
from grpo.report.stage_rows import Policy
from grpo.report.stage_table import BENCHMARKS
from grpo.report.text import short_name

A_KIND = 3
"""Prompts shown of each kind."""


@dataclass(frozen=True)
class Answer:
    """What one checkpoint answered. `mark` is "good", "bad" or, where nobody says, empty; `words`
    say what was found.

    >>> Answer("cold-start", "<think>...</think><answer>7</answer>", "good", "right")
    """

    policy: str
    completion: str
    mark: str
    words: str


@dataclass(frozen=True)
class Asked:
    """A prompt, the reference where there is a right answer, and an answer a checkpoint.

    >>> Asked("Hello!", "greeting", "", (answer, answer))
    """

    question: str
    kind: str
    gold: str
    answers: tuple[Answer, ...]


def asked(policies: Sequence[Policy], sampled: Sampled) -> list[Asked]:
    """The prompts to be shown, by kind: those with a right answer first."""
    return [
        one
        for benchmark in BENCHMARKS
        for one in _of_benchmark(
            [policy for policy in policies if benchmark in policy.found], benchmark, sampled
        )
    ]


def _of_benchmark(policies: Sequence[Policy], benchmark: str, sampled: Sampled) -> Iterator[Asked]:
    first = {
        policy.label: {(group[0].question_id, group[0].question): group[0] for group in groups}
        for policy in policies
        if (groups := sampled.groups(policy, benchmark))
    }
    if not first:
        return
    everyone = list(first.values())
    common = {
        row.question: row
        for key, row in reversed(everyone[0].items())
        if all(key in other for other in everyone)
    }
    watched = _watched(policies, benchmark, sampled)
    for row in _chosen([*reversed(common.values())], benchmark):
        key = row.question_id, row.question
        answers = (_answer(label, other[key], benchmark, watched) for label, other in first.items())
        gold = row.gold if benchmark == REASONED else ""
        yield Asked(row.question, _kind(row, benchmark), gold, tuple(answers))


def _watched(policies: Sequence[Policy], benchmark: str, sampled: Sampled) -> tuple[str, ...]:
    markings = [sampled.marking(policy, benchmark) for policy in policies]
    return tuple(dict.fromkeys(name for one in markings if one for name in one.watched))


def _chosen(rows: Sequence[Row], benchmark: str) -> list[Row]:
    by_kind: dict[str, dict[str | None, list[Row]]] = {}
    for row in rows:
        by_kind.setdefault(_kind(row, benchmark), {}).setdefault(row.language, []).append(row)
    return [
        row
        for kind in sorted(by_kind)
        for row in [one for turn in zip_longest(*by_kind[kind].values()) for one in turn if one][
            :A_KIND
        ]
    ]


def _kind(row: Row, benchmark: str) -> str:
    named = row.column("kind") or row.subject or row.column("domain")
    return str(named or BENCHMARKS[benchmark][0])


def _answer(label: str, row: Row, benchmark: str, watched: Sequence[str]) -> Answer:
    said = [
        f"{short_name(name)} {decimals(value)}"
        for name in watched
        if (value := measured(row, name)) is not None
    ]
    if benchmark != REASONED:
        return Answer(label, row.completion, _mark(row, watched), " · ".join(said))
    lenient = row.found().get("accuracy_lenient") == "correct"
    word = "right" if row.correct else "right, not in the form" if lenient else "wrong"
    mark = "good" if row.correct else "bad"
    return Answer(label, row.completion, mark, " · ".join([word, *said]))


def _mark(row: Row, watched: Sequence[str]) -> str:
    """What the first reward that is not about language found; empty where it says nothing."""
    name = next((one for one in watched if not is_of_language(one)), None)
    if name is None or measured(row, name) is None:
        return ""
    return "good" if row.found().get(name) == "correct" else "bad"
