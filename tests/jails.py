"""Jails for tests: those that can be built here, and a look at what they leave behind."""

import os
from pathlib import Path

import pytest

from grpo_rewards import RewardError
from grpo_rewards.sandbox import FunctionTests, Jail, Limits, Report, choose
from grpo_rewards.sandbox.choose import fault
from grpo_rewards.sandbox.jail import kinds

ISOLATING = ("bubblewrap", "namespaces")
# An odd number of MiB tells our jails on the command line from those of others on the machine, the
# other processes of this test run among them.
LIMITS = Limits(
    cpu_s=1, wall_s=30.0, memory_mb=193 + 2 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
)
ADD = FunctionTests(
    ("def check(candidate):\n    assert candidate(3, 4) == 7\n    assert candidate(1, 1) == 2\n",),
    entry_point="add",
)


def best() -> Jail:
    """The jail in use here; the test is skipped where there is none."""
    try:
        return choose()
    except RewardError as error:
        pytest.skip(str(error))


def named(name: str) -> Jail:
    """The jail of this kind; the test is skipped where it cannot be built."""
    for jail in kinds(accept_rlimits=True):
        if jail.name == name and not fault(jail):
            return jail
    pytest.skip(f"no {name} on this machine")


def judged(program: str, tests: FunctionTests = ADD, limits: Limits = LIMITS) -> Report:
    """The report on a program in the best jail."""
    return tests.run(program, best(), limits, to_the_end=False)


def left_behind() -> list[str]:
    """Command lines of processes that belong to a jail of ours."""
    mark = str(LIMITS.memory_mb * 2**20)
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if mark.encode() in words:
            lines.append(b" ".join(words).decode(errors="replace"))
    return lines
