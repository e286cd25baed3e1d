"""What goes to a worker process and what comes back: Setup, Call, Answer.

Calls travel as pickles (columns may hold any Python value), answers as JSON: the parent never
unpickles what a process that has read hostile text has written.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from grpo_rewards.notes import Notes
from grpo_rewards.state import TrainerState
from grpo_rewards.table import Target
from grpo_rewards.verdict import Judged, Steps

_ROWS_PER_ALLOWANCE = 16


@dataclass(frozen=True)
class Setup:
    """What every worker of a pool is started with.

    `knobs` are those of each target, by its name; `deadline_s` is CPU seconds for one sample;
    `memory_mb` is MiB of address space on top of what the worker holds once its rewards are loaded,
    None no bound.

    >>> Setup((Target("my.py:brevity", "/home/ada/my.py", "brevity", True),),
    ...       {"my.py:brevity": {"target": 40}}, 3.0, 1024)
    """

    targets: tuple[Target, ...]
    knobs: Mapping[str, Mapping[str, Any]]
    deadline_s: float
    memory_mb: int | None


@dataclass(frozen=True)
class Call:
    """One call of one reward over some rows of the batch (`rows` are their indices).

    `token_ids` are the completions', None where nobody knows them.

    >>> Call("my.py:brevity", (7,), ("3 + 4?",), ("<think>...",), ({"answer": "7"},), ((5, 2),))
    """

    reward: str
    rows: tuple[int, ...]
    prompts: tuple[Any, ...]
    completions: tuple[Any, ...]
    columns: tuple[Mapping[str, Any], ...]
    token_ids: tuple[Sequence[int], ...] | None = None
    state: TrainerState = field(default_factory=TrainerState)

    @property
    def allowance(self) -> float:
        """Deadlines this call may take: 1 for a sample, 1/16 more for every further row."""
        return 1 + (len(self.rows) - 1) / _ROWS_PER_ALLOWANCE

    def split(self) -> list["Call"]:
        """The same work as one call a row."""
        return [self.only([at]) for at in range(len(self.rows))]

    def only(self, places: Sequence[int]) -> "Call":
        """The same for the rows at some places of this call."""
        ids = self.token_ids
        return Call(
            self.reward,
            tuple(self.rows[at] for at in places),
            tuple(self.prompts[at] for at in places),
            tuple(self.completions[at] for at in places),
            tuple(self.columns[at] for at in places),
            None if ids is None else tuple(ids[at] for at in places),
            self.state,
        )


@dataclass(frozen=True)
class Answer:
    """What came of a call: a judgement a row, or the one failure of them all with its message.

    `is_last` says that the worker ends itself after this answer and is to be replaced, `is_fatal`
    that no call of this reward can succeed; `complaint` is about the notes alone.

    >>> Answer((Judged(1.0, "correct"),), notes=Notes({"words": [12.0]}))
    >>> Answer((Judged(None, "error"),), "my.py:3: ZeroDivisionError: division by zero")
    """

    judged: tuple[Judged, ...]
    message: str = ""
    is_last: bool = False
    is_fatal: bool = False
    notes: Notes = field(default_factory=Notes)
    complaint: str = ""

    def on(self, place: int) -> Judged:
        """The judgement of one row, counted from the call's first, with its notes."""
        extra = {column: values[place] for column, values in self.notes.columns.items()}
        return replace(self.judged[place], extra=extra)

    def to_bytes(self) -> bytes:
        """The answer as JSON."""
        judged = [(one.value, one.outcome, one.steps) for one in self.judged]
        ends = [self.message, self.is_last, self.is_fatal]
        return json.dumps([judged, *ends, self.notes.plain(), self.complaint]).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Answer":
        """The answer out of its JSON."""
        judged, message, is_last, is_fatal, notes, complaint = json.loads(data)
        settled = tuple(
            Judged(value, outcome, {}, _steps(steps)) for value, outcome, steps in judged
        )
        return cls(settled, message, is_last, is_fatal, Notes(*notes), complaint)


def _steps(plain: list[tuple[int, float]] | None) -> Steps | None:
    """Steps out of JSON's lists."""
    return None if plain is None else tuple((end, score) for end, score in plain)
