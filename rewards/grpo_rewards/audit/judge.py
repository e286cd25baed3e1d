"""Puts a reward through a suite: every completion alone, timed, in a worker that can be killed.

What a run does to a reward (batches, groups, several workers) is left out: an audit asks what is
paid and what it costs, sample by sample.
"""

import statistics
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from grpo_rewards.audit.cases import Question
from grpo_rewards.audit.cheats import Cheat
from grpo_rewards.audit.layouts import Speaker
from grpo_rewards.audit.report import EXAMPLES, Measured, Must, Report, Standard, Tally
from grpo_rewards.audit.suites import Suite
from grpo_rewards.audit.texts import THOUGHTS
from grpo_rewards.errors import RewardError
from grpo_rewards.verdict import Verdict
from grpo_rewards.workers import Scorer

_PROBED, _HOSTILE = 4, 2
_CHARACTERS_A_TOKEN = 4
FAILED = ("timeout", "error")


def audit(
    name: str,
    suite: Suite,
    questions: Sequence[Question],
    *,
    knobs: Mapping[str, Any] | None = None,
    deadline_s: float = 3.0,
) -> Report:
    """The report on the reward `name` (see `table.find`), its knobs set, held to `suite`.

    Raises RewardError for a reward that is not there, takes no such knobs, or fails on every
    sample; ValueError where there is no question to ask.
    """
    if not questions:
        raise ValueError("an audit needs at least one question")
    rewards = {name: {"weight": 1.0, **(knobs or {})}}
    with Scorer(rewards, workers=1, deadline_s=deadline_s) as scorer:
        scorer.start()
        bench = Bench(name, scorer, Speaker(suite.layouts[0]), questions[0])
        bench = replace(bench, speaker=_speaker(bench, suite, questions, deadline_s))
        scorer.messages.clear()  # of layouts and shapes that were not the reward's
        found = [
            (must, cheat, bench.fares(cheat, asked))
            for must, cheat, asked in _plan(suite, questions)
        ]
    return _report(name, suite, bench, found)


@dataclass(frozen=True)
class Bench:
    """A reward, spoken to in the way it understands; `usual` is a question it does not fail on."""

    name: str
    scorer: Scorer
    speaker: Speaker
    usual: Question

    def fares(self, cheat: Cheat, questions: Sequence[Question]) -> list[Measured]:
        """How `cheat` fares on each question it makes sense for."""
        layout = self.speaker.layout
        texts = [(question, cheat(question, layout)) for question in questions]
        return [self.measure(question, text) for question, text in texts if text is not None]

    def measure(self, question: Question, text: str) -> Measured:
        """One completion judged; where that had to wait for a worker to start, timed again."""
        workers = set(self.scorer.worker_pids)
        measured = self._timed(question, text)
        if measured.outcome in FAILED or workers >= set(self.scorer.worker_pids):
            return measured
        return self._timed(question, text)

    def _timed(self, question: Question, text: str) -> Measured:
        start = time.perf_counter()
        try:
            verdict = self.score([(question, text)])[0]
            seconds = time.perf_counter() - start
        except RewardError:
            # Alone it is a batch that fails as a whole; beside another its own outcome is told.
            seconds = time.perf_counter() - start
            thought = THOUGHTS[self.usual.language]
            usual = self.usual, self.speaker.layout.write(thought, self.usual.gold)
            verdict = self.score([(question, text), usual])[0]
        value, outcome = verdict.parts[self.name], verdict.outcomes[self.name]
        return Measured(question, text, value, outcome, seconds)

    def score(self, asked: Sequence[tuple[Question, str]]) -> list[Verdict]:
        """The verdicts on completions; every few characters count as a token."""
        return self.scorer.score(
            [self.speaker.prompt(question.text) for question, _ in asked],
            [self.speaker.completion(text) for _, text in asked],
            [question.columns for question, _ in asked],
            token_ids=[range(len(text) // _CHARACTERS_A_TOKEN + 1) for _, text in asked],
        )


def _speaker(
    bench: Bench, suite: Suite, questions: Sequence[Question], patience_s: float
) -> Speaker:
    """The layout and the shape in which the reward tells good from bad best.

    Chat messages are tried where strings bring nothing; of equals the first is taken. Raises
    RewardError for a reward that fails in all of them, or takes longer than `patience_s` to fail.
    """
    gaps: dict[Speaker, float] = {}
    failure = RewardError(f"reward {bench.name!r} was not tried")
    for speaker in (Speaker(one, as_chat) for as_chat in (False, True) for one in suite.layouts):
        if speaker.as_chat and any(gap > 0 for gap in gaps.values()):
            break
        start = time.monotonic()
        try:
            gaps[speaker] = _gap(replace(bench, speaker=speaker), suite, questions)
        except RewardError as error:
            failure = error
            if time.monotonic() - start > patience_s:
                raise
    if not gaps:
        raise failure
    return max(gaps, key=lambda speaker: gaps[speaker])


def _gap(bench: Bench, suite: Suite, questions: Sequence[Question]) -> float:
    """By how much the reward pays good above bad on the first questions."""
    sign, gap = {"pay": 1, "refuse": -1, "survive": 0}, 0.0
    for must, cheat, asked in _plan(suite, questions[:_PROBED], only_first=True):
        texts = [(question, cheat(question, bench.speaker.layout)) for question in asked]
        verdicts = bench.score([(question, text) for question, text in texts if text is not None])
        gap += sign[must] * statistics.fmean(one.parts[bench.name] or 0.0 for one in verdicts)
    return gap


def _plan(
    suite: Suite, questions: Sequence[Question], only_first: bool = False
) -> Iterator[tuple[Must, Cheat, Sequence[Question]]]:
    """Everything to be tried, and on which questions: hostile texts on the first few alone."""
    groups: dict[Must, tuple[Cheat, ...]] = {
        "pay": suite.pays,
        "refuse": suite.refuses,
        "survive": suite.survives,
    }
    for must, cheats in groups.items():
        for cheat in cheats[: 1 if only_first else None]:
            yield must, cheat, questions[: _HOSTILE if _is_hostile(cheat) else None]


def _is_hostile(cheat: Cheat) -> bool:
    return cheat.__module__.endswith(".hostile")


def _report(
    name: str, suite: Suite, bench: Bench, found: Sequence[tuple[Must, Cheat, list[Measured]]]
) -> Report:
    standard = Standard(_first_median("pay", found), _first_median("refuse", found))
    failing = ("error",) if suite.runs_programs else FAILED
    everything = [one for _, _, measured in found for one in measured]
    outcomes = [one.outcome for one in everything if one.outcome in failing]
    return Report(
        reward=name,
        judges=suite.judges,
        layout=bench.speaker.layout.name,
        standard=standard,
        tallies=tuple(
            _tally(must, cheat, rows, standard, failing) for must, cheat, rows in found if rows
        ),
        seconds=tuple(one.seconds for one in everything),
        timeouts=outcomes.count("timeout"),
        errors=outcomes.count("error"),
        messages=dict(bench.scorer.messages),
    )


def _first_median(must: Must, found: Sequence[tuple[Must, Cheat, list[Measured]]]) -> float | None:
    """The median value of the first kind that is to be paid, or refused; None without values."""
    first = next((measured for one, _, measured in found if one == must), [])
    values = [one.value for one in first if one.value is not None]
    return statistics.median(values) if values else None


def _tally(
    must: Must,
    cheat: Cheat,
    measured: Sequence[Measured],
    standard: Standard,
    failing: Collection[str],
) -> Tally:
    paid = [standard.pays(one.value) for one in measured]
    rows = zip(measured, paid, strict=True)
    misjudged = [one for one, is_paid in rows if must != "survive" and is_paid != (must == "pay")]
    failed = [one for one in measured if one.outcome in failing]
    return Tally(
        name=cheat.__name__.replace("_", " "),
        about=(cheat.__doc__ or "").partition("\n")[0].rstrip("."),
        must=must,
        cases=len(measured),
        paid=sum(paid),
        misjudged=tuple(misjudged[:EXAMPLES]),
        failed=tuple(failed[:EXAMPLES]),
    )
