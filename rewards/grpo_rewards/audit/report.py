"""What an audit found: a line a cheat, the times, and the verdict in one sentence.

How it is shown is left to the command.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from grpo_rewards.audit.cases import Question
from grpo_rewards.verdict import Outcome

Must = Literal["pay", "refuse", "survive"]
EXAMPLES = 3


@dataclass(frozen=True)
class Measured:
    """One completion judged: its value (None where there is none), outcome and wall-clock time.

    >>> Measured(Question("3 + 4?", "7", "8", "en"), "<think>..", 1.0, "correct", seconds=0.0001)
    """

    question: Question
    text: str
    value: float | None
    outcome: Outcome
    seconds: float


@dataclass(frozen=True)
class Standard:
    """What is paid: more than halfway from what bad completions get to what good ones get.

    >>> Standard(good=1.0, bad=0.0).pays(0.6)
    True
    """

    good: float | None
    bad: float | None

    @property
    def tells_apart(self) -> bool:
        """Whether good completions get more than bad ones at all."""
        return self.good is not None and self.good > (-math.inf if self.bad is None else self.bad)

    def pays(self, value: float | None) -> bool:
        """Whether `value` is nearer to a good completion's; where the two are equal, both are."""
        if value is None or self.good is None:
            return False
        if self.bad is None or not self.tells_apart:
            return value >= self.good
        return value > (self.good + self.bad) / 2


@dataclass(frozen=True)
class Tally:
    """How one kind of completion fared: how many, how many paid; some misjudged, some failed on.

    >>> Tally("wrong or gold", "Two answers, the right one last", "refuse", 24, 1, (Measured(...),))
    """

    name: str
    about: str
    must: Must
    cases: int
    paid: int
    misjudged: tuple[Measured, ...] = ()
    failed: tuple[Measured, ...] = ()


@dataclass(frozen=True)
class Report:
    """The whole audit of one reward.

    `layout` is the layout the reward was found to understand; `messages` counts what went wrong in
    it, by file and line.

    >>> Report("accuracy", "whether the final answer is right", "<think>..", Standard(1.0, 0.0),
    ...        (Tally("gold", ...), Tally("wrong", ...)), (0.0001, 0.0002), timeouts=0, errors=0)
    """

    reward: str
    judges: str
    layout: str
    standard: Standard
    tallies: tuple[Tally, ...]
    seconds: tuple[float, ...]
    timeouts: int
    errors: int
    messages: Mapping[str, int] = field(default_factory=dict)

    def of(self, must: Must) -> list[Tally]:
        """The tallies of what must be paid, refused or survived."""
        return [tally for tally in self.tallies if tally.must == must]

    @property
    def leaks(self) -> list[Tally]:
        """The kinds of bad completions of which some were paid."""
        return [tally for tally in self.of("refuse") if tally.paid]

    @property
    def rejects(self) -> list[Tally]:
        """The kinds of good completions of which some were not paid."""
        return [tally for tally in self.of("pay") if tally.paid < tally.cases]

    @property
    def failures(self) -> list[Tally]:
        """The kinds of completions on some of which the reward failed."""
        return [tally for tally in self.tallies if tally.failed]

    @property
    def false_accepts(self) -> int:
        """Bad completions that were paid."""
        return _total(self.leaks, "paid")

    @property
    def false_rejects(self) -> int:
        """Good completions that were not paid."""
        return _total(self.rejects, "cases") - _total(self.rejects, "paid")

    @property
    def faults(self) -> list[str]:
        """What keeps the reward from being sound, a phrase each."""
        bad, good = _total(self.of("refuse"), "cases"), _total(self.of("pay"), "cases")
        kinds = _count(len(self.leaks), "cheat")
        phrases = {
            "cannot tell good from bad": self.of("pay") and not self.standard.tells_apart,
            f"leaks: {kinds} paid ({self.false_accepts:,} of {bad:,})": self.leaks,
            f"rejects {self.false_rejects:,} of {good:,} that are right": self.rejects,
            f"fails on {_count(self.errors, 'sample')}": self.errors,
            f"hangs on {_count(self.timeouts, 'sample')}": self.timeouts,
        }
        return [phrase for phrase, holds in phrases.items() if holds]

    @property
    def verdict(self) -> str:
        """`sound`, or what is not."""
        return "; ".join(self.faults) or "sound"

    def time(self) -> tuple[float, float, float]:
        """Seconds a sample: the median, the 99th percentile, the worst."""
        ordered = sorted(self.seconds)
        at_99 = ordered[math.ceil(0.99 * len(ordered)) - 1]
        return statistics.median(ordered), at_99, ordered[-1]

    def to_json(self) -> dict[str, Any]:
        """The report as plain values, examples cut to their first thousand characters."""
        median, at_99, worst = self.time()
        return {
            "reward": self.reward,
            "judges": self.judges,
            "layout": self.layout,
            "verdict": self.verdict,
            "false_accepts": self.false_accepts,
            "false_rejects": self.false_rejects,
            "timeouts": self.timeouts,
            "errors": self.errors,
            "seconds": {"median": median, "p99": at_99, "worst": worst},
            "messages": dict(self.messages),
            "kinds": [_tally_json(tally) for tally in self.tallies],
        }


def _tally_json(tally: Tally) -> dict[str, Any]:
    examples = [
        {
            "question": one.question.text,
            "gold": one.question.gold,
            "completion": one.text[:1000].encode("utf-8", "replace").decode(),
            "value": one.value,
            "outcome": one.outcome,
        }
        for one in (*tally.misjudged, *tally.failed)
    ]
    line = {"kind": tally.name, "about": tally.about, "must": tally.must}
    return {**line, "cases": tally.cases, "paid": tally.paid, "examples": examples}


def _total(tallies: Sequence[Tally], what: str) -> int:
    return sum(getattr(tally, what) for tally in tallies)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
