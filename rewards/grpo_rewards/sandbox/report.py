"""What came of a program that ran against its tests: Report.

What a report is worth is the reward's business.
"""

from dataclasses import dataclass

from grpo_rewards.verdict import Outcome


@dataclass(frozen=True)
class Report:
    """`passed` of `total` tests, as far as they were run, and how it ended.

    >>> Report("correct", passed=3, total=3)
    """

    outcome: Outcome
    passed: int = 0
    total: int = 0

    @property
    def is_correct(self) -> bool:
        """Whether every test passed."""
        return self.outcome == "correct"

    @property
    def share(self) -> float:
        """The share of the tests that passed, in [0, 1]."""
        return self.passed / self.total if self.total else 0.0
