"""Runs a program as a script against inputs with the outputs they must give.

The program never sees an expected output: it is compared out here, token by token, so that
neither a prefix nor an output with more after it is right.
"""

import time
from dataclasses import dataclass

from grpo_rewards.sandbox.exchange import exchange
from grpo_rewards.sandbox.inside import wire
from grpo_rewards.sandbox.inside.script import HELLO, NO_PROGRAM
from grpo_rewards.sandbox.jail import Jail
from grpo_rewards.sandbox.limits import Limits
from grpo_rewards.sandbox.process import KILLED, JailedProcess
from grpo_rewards.sandbox.report import Report
from grpo_rewards.verdict import Outcome


@dataclass(frozen=True)
class ScriptTests:
    """Pairs of what stands on stdin and what must be printed.

    >>> ScriptTests((("3 4\\n", "7\\n"), ("0 0\\n", "0\\n")))
    """

    pairs: tuple[tuple[str, str], ...]

    def run(self, program: str, jail: Jail, limits: Limits, *, to_the_end: bool) -> Report:
        """The report on `program`; only `to_the_end` are tests run after the first that fails."""
        deadline = time.monotonic() + limits.wall_s
        passed = total = 0
        for given, expected in self.pairs:
            outcome = _outcome(program, given, expected, jail, limits, deadline)
            total += 1
            passed += outcome == "correct"
            if outcome not in ("correct", "wrong"):
                return Report(outcome)
            if passed < total and not to_the_end:
                break
        return Report("correct" if passed == total else "wrong", passed, total)


def _outcome(
    program: str, given: str, expected: str, jail: Jail, limits: Limits, deadline: float
) -> Outcome:
    """One run of the program. An exit code other than 0 is a failure, whatever was printed."""
    data = wire.packed(program) + given.encode(errors="replace")
    with JailedProcess(jail, limits, "script") as script:
        heard = exchange(script.process, data, limits.output_bytes + len(HELLO), deadline)
        code = None if heard.ended == "too much" else script.wait(deadline - time.monotonic())
    if heard.ended == "too much":
        return "wrong"
    if code is None or code == KILLED:
        return "timeout"
    if code == NO_PROGRAM:
        return "unparseable"
    if not heard.data.startswith(HELLO):
        return "error"
    printed = heard.data[len(HELLO) :].decode(errors="replace").split()
    return "correct" if code == 0 and printed == expected.split() else "wrong"
