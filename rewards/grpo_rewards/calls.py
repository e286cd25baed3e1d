"""What goes to a worker process and what comes back: Setup, Call, Answer.

Calls travel as pickles (columns may hold any Python value), answers as JSON: the parent never
unpickles what a process that has read hostile text has written.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grpo_rewards.table import Target
from grpo_rewards.verdict import Judged

_ROWS_PER_ALLOWANCE = 16


@dataclass(frozen=True)
class Setup:
    """What every worker of a pool is started with.

    `deadline_s` is CPU seconds for one sample; `memory_mb` is MiB of address space on top of what
    the worker holds once its rewards are loaded.

    >>> Setup((Target("my.py:brevity", "/home/ada/my.py", "brevity", True),), 3.0, 1024)
    """

    targets: tuple[Target, ...]
    deadline_s: float
    memory_mb: int


@dataclass(frozen=True)
class Call:
    """One call of one reward over some rows of the batch (`rows` are their indices).

    >>> Call("my.py:brevity", (7,), ("3 + 4?",), ("<think>...",), ({"answer": "7"},))
    """

    reward: str
    rows: tuple[int, ...]
    prompts: tuple[Any, ...]
    completions: tuple[Any, ...]
    columns: tuple[Mapping[str, Any], ...]

    @property
    def allowance(self) -> float:
        """Deadlines this call may take: 1 for a sample, 1/16 more for every further row."""
        return 1 + (len(self.rows) - 1) / _ROWS_PER_ALLOWANCE

    def split(self) -> list["Call"]:
        """The same work as one call a row."""
        parts = zip(self.rows, self.prompts, self.completions, self.columns, strict=True)
        return [Call(self.reward, (r,), (p,), (c,), (k,)) for r, p, c, k in parts]


@dataclass(frozen=True)
class Answer:
    """What came of a call: a judgement a row, or the one failure of them all with its message.

    `is_last` says that the worker ends itself after this answer and is to be replaced.

    >>> Answer((Judged(1.0, "correct"),))
    >>> Answer((Judged(None, "error"),), "my.py:3: ZeroDivisionError: division by zero")
    """

    judged: tuple[Judged, ...]
    message: str = ""
    is_last: bool = False

    def to_bytes(self) -> bytes:
        """The answer as JSON."""
        judged = [(one.value, one.outcome) for one in self.judged]
        return json.dumps([judged, self.message, self.is_last]).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Answer":
        """The answer out of its JSON."""
        judged, message, is_last = json.loads(data)
        return cls(tuple(Judged(value, outcome) for value, outcome in judged), message, is_last)
