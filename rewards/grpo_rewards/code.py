"""The reward `code`: 1.0 where the completion's program passes every hidden test, else 0.0.

The program runs in a jail (`grpo_rewards.sandbox`) and is judged by a process it has no way into.
Which part of a completion is its program says `grpo_rewards.program`; which shapes of tests are
known, `grpo_rewards.sandbox.rows`. A row without tests is skipped: nobody could have been right.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grpo_rewards import tags
from grpo_rewards.errors import RewardError
from grpo_rewards.program import program_of
from grpo_rewards.rule import RuleReward
from grpo_rewards.sandbox import Limits, choose
from grpo_rewards.sandbox.rows import Tests, read_tests
from grpo_rewards.verdict import SKIPPED, UNPARSEABLE, Judged, Sample


def code(
    *,
    tests: str = "test",
    entry_point: str = "entry_point",
    setup: str = "test_setup_code",
    stub: str = "question",
    partial: bool = False,
    cpu_s: int = 6,
    wall_s: float = 15.0,
    memory_mb: int = 512,
    accept_rlimits: bool = False,
) -> RuleReward:
    """1.0 for a program that passes all tests; with `partial`, else the share that it passes.

    `tests` names the column with the hidden tests, `entry_point` that with the function they call
    (`candidate` in HumanEval's tests; not needed where the tests name it), `setup` that with code
    to run before the tests, `stub` that with the code the program goes on with: it counts where it
    defines the entry point, and a program that does not define it again is put after it.
    `cpu_s`, `wall_s` and `memory_mb` are what a program may use: CPU seconds, seconds of the
    clock for all tests, MiB. `wall_s` must stay below ten times the reward workers' deadline.
    `accept_rlimits` runs programs where no jail can be built; see docs/sandbox.md first.
    """
    columns = _Columns(tests, entry_point, setup, stub)
    judge = _Judge(columns, Limits(cpu_s, wall_s, memory_mb), partial, accept_rlimits)
    return RuleReward("code", judge.quick, judge.full, prepare=judge.look, check=judge.look)


@dataclass(frozen=True)
class _Columns:
    """The names of the columns a row's tests are made of.

    >>> _Columns(tests="test_list", entry_point="entry_point", setup="imports", stub="question")
    """

    tests: str
    entry_point: str
    setup: str
    stub: str

    def has_tests(self, row: Mapping[str, Any]) -> bool:
        """Whether the row's column holds anything. Raises RewardError where there is no column."""
        if self.tests not in row:
            raise RewardError(
                f"code needs hidden tests in a column {self.tests!r}, but the row has "
                f"{sorted(row) or 'no columns'}; name the column by the reward's `tests`"
            )
        return bool(row[self.tests])

    def tests_of(self, row: Mapping[str, Any]) -> Tests | None:
        """The row's tests, None where it has none. Raises RewardError for an unknown shape."""
        return read_tests(row[self.tests], row.get(self.setup), self._entry(row), self._stub(row))

    def completed(self, program: str, row: Mapping[str, Any]) -> str:
        """The program after the stub: its own line where it defines the entry point itself."""
        stub = self._stub(row)
        between = "\n" if _defines(program, self._entry(row)) else ""
        return stub + between + program if stub else program

    def _entry(self, row: Mapping[str, Any]) -> str:
        return str(row.get(self.entry_point) or "")

    def _stub(self, row: Mapping[str, Any]) -> str:
        text = str(row.get(self.stub) or "")
        return text if _defines(text, self._entry(row)) else ""


@dataclass(frozen=True)
class _Judge:
    """The two halves of the reward, for one setting of its knobs.

    >>> _Judge(_Columns("test", "entry_point", "imports", "question"), Limits(), False, False)
    """

    columns: _Columns
    limits: Limits
    partial: bool
    accept_rlimits: bool

    def look(self) -> None:
        """Raises RewardError where this machine has no jail."""
        choose(self.accept_rlimits)

    def quick(self, sample: Sample) -> Judged | None:
        """The verdict where there is nothing to run."""
        if not self.columns.has_tests(sample.columns):
            return SKIPPED
        return UNPARSEABLE if _program(sample) is None else None

    def full(self, sample: Sample) -> Judged:
        """The verdict of the tests."""
        tests, program = self.columns.tests_of(sample.columns), _program(sample)
        if tests is None or program is None:
            return SKIPPED if tests is None else UNPARSEABLE
        program = self.columns.completed(program, sample.columns)
        jail = choose(self.accept_rlimits)
        report = tests.run(program, jail, self.limits, to_the_end=self.partial)
        return Judged(report.share if self.partial else float(report.is_correct), report.outcome)


def _program(sample: Sample) -> str | None:
    return program_of(sample.text, tags.opened_by(sample.prompt))


def _defines(text: str, entry: str) -> bool:
    """Whether the name is bound at the top level of this code, by its looks."""
    name = re.escape(entry)
    bound = rf"^(?:(?:async[ \t]+)?(?:def|class)[ \t]+{name}\b|{name}[ \t]*=)"
    return bool(entry) and re.search(bound, text, re.MULTILINE) is not None
