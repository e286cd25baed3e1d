"""What is judged and what is said of it: Sample, Judged, Verdict.

Plain frozen data without behaviour; how a reward comes to its judgement is each reward's own file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["correct", "wrong", "unparseable", "timeout", "error", "skipped"]

Steps = tuple[tuple[int, float], ...]
"""The steps of a completion: (characters of it up to the step's end, score), in their order."""


@dataclass(frozen=True)
class Sample:
    """One completion as a reward sees it, with the prompt and the row it belongs to.

    `token_ids` are the completion's, where they are known.

    >>> Sample("What is 3 + 4?", "<think>3 + 4 = 7</think><answer>7</answer>", {"answer": "7"})
    """

    prompt: str
    text: str
    columns: Mapping[str, Any] = field(default_factory=dict)
    token_ids: Sequence[int] | None = None


@dataclass(frozen=True)
class Judged:
    """What one reward says of one sample; a value of None skips the sample.

    `extra` are notes for the reader, a column a name; no update looks at them. `steps` are there
    where the reward scores steps (an empty tuple: it found none), and `value` is their mean.

    >>> Judged(0.5, "correct", steps=((16, 1.0), (31, 0.0)))
    """

    value: float | None
    outcome: Outcome
    extra: Mapping[str, Any] = field(default_factory=dict)
    steps: Steps | None = None


@dataclass(frozen=True)
class Verdict:
    """What all rewards say of one sample; `reward` is the weighted sum of the parts that are known.

    A part of None was skipped and counts for nothing; `reward` is None where every part is None.
    `extra` holds the notes of all rewards; of two with one name the later reward's. `steps` are
    those of each reward that scores them.

    >>> Verdict(1.5, {"accuracy": 1.0, "format": 1.0}, {"accuracy": "correct", "format": "correct"})
    """

    reward: float | None
    parts: Mapping[str, float | None]
    outcomes: Mapping[str, Outcome]
    extra: Mapping[str, Any] = field(default_factory=dict)
    steps: Mapping[str, Steps] = field(default_factory=dict)


SKIPPED = Judged(None, "skipped")
UNPARSEABLE = Judged(0.0, "unparseable")


def verdict(judged: Mapping[str, Judged], weights: Mapping[str, float]) -> Verdict:
    """The parts of one sample put together: reward = sum over known parts of weight x value."""
    parts = {name: one.value for name, one in judged.items()}
    known = [weights[name] * value for name, value in parts.items() if value is not None]
    outcomes = {name: one.outcome for name, one in judged.items()}
    extra = {column: note for one in judged.values() for column, note in one.extra.items()}
    steps = {name: one.steps for name, one in judged.items() if one.steps is not None}
    return Verdict(sum(known) if known else None, parts, outcomes, extra, steps)
