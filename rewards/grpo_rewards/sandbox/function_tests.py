"""Runs a program against tests that call its functions, the two in a jail each.

The program's process only answers calls; the judge's process, where none of its code runs, holds
the tests, compares and gives the verdict. This file starts both and reads that verdict.
"""

import json
import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from grpo_rewards.sandbox.exchange import exchange
from grpo_rewards.sandbox.inside import wire
from grpo_rewards.sandbox.jail import Jail
from grpo_rewards.sandbox.limits import Limits
from grpo_rewards.sandbox.process import KILLED, JailedProcess
from grpo_rewards.sandbox.report import Report
from grpo_rewards.verdict import Outcome

_MOST_VERDICT = 4096
_CAUSE_S = 1.0
_OUTCOMES: Mapping[str, Outcome] = {
    "judged": "wrong",
    "failed": "wrong",
    "gone": "wrong",
    "no program": "unparseable",
    "no jail": "error",
    "no tests": "error",
}


@dataclass(frozen=True)
class FunctionTests:
    """Tests in Python. `sources` define `check(candidate)` or `test_...()`, or are asserts; `setup`
    runs before them; `entry_point` names the candidate, where they do not; `stub` is the code the
    program goes on with, whose helpers the tests may use.

    >>> FunctionTests(("assert add(3, 4) == 7", "assert add(0, 0) == 0"))
    """

    sources: tuple[str, ...]
    setup: str = ""
    entry_point: str = ""
    stub: str = ""

    def run(self, program: str, jail: Jail, limits: Limits, *, to_the_end: bool) -> Report:
        """The report on `program`; only `to_the_end` are tests run after the first that fails."""
        deadline = time.monotonic() + limits.wall_s
        job = {
            "program": program,
            "tests": self.sources,
            "setup": self.setup,
            "entry_point": self.entry_point,
            "stub": self.stub,
            "stop_early": not to_the_end,
        }
        with ExitStack() as stack:
            candidate, judge = _pair(stack, jail, limits)
            heard = exchange(judge.process, json.dumps(job).encode(), _MOST_VERDICT, deadline)
            if heard.ended != "closed":
                return Report("timeout")
            return _report(heard.data, candidate, judge)


def _pair(stack: ExitStack, jail: Jail, limits: Limits) -> tuple[JailedProcess, JailedProcess]:
    """The candidate and its judge, and nobody else, at the ends of two pipes."""
    asked, asks = os.pipe()
    answers, answered = os.pipe()
    try:
        candidate = JailedProcess(jail, limits, "candidate", stdin=asked, stdout=answered)
        stack.enter_context(candidate)
        ends = (asks, answers)
        judge = JailedProcess(jail, limits, "judge", *map(str, ends), pass_fds=ends)
        stack.enter_context(judge)
    finally:
        for end in (asked, asks, answers, answered):
            os.close(end)
    return candidate, judge


def _report(said: bytes, candidate: JailedProcess, judge: JailedProcess) -> Report:
    verdict = _verdict(said)
    if verdict is None:
        return Report("timeout" if judge.wait(_CAUSE_S) == KILLED else "error")
    passed, total, state = verdict["passed"], verdict["total"], verdict["state"]
    if state == "judged" and passed == total > 0:
        return Report("correct", passed, total)
    if state == "gone" and candidate.wait(_CAUSE_S) == KILLED:
        return Report("timeout")
    return Report(_OUTCOMES[state], passed, total)


def _verdict(said: bytes) -> dict[str, Any] | None:
    """The judge's one message, or None where it ended before it said one."""
    try:
        verdict: dict[str, Any] = json.loads(said[wire.HEAD :])
    except ValueError:
        return None
    return verdict
