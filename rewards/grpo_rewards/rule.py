"""The shape of a built-in reward: a verdict at once where that is safe, else one for a worker.

A rule knows nothing of processes; `grpo_rewards.workers` decides where `full` runs.
"""

from collections.abc import Callable
from dataclasses import dataclass

from grpo_rewards.verdict import Judged, Sample


def _nothing() -> None:
    """No preparation is needed."""


@dataclass(frozen=True)
class RuleReward:
    """One built-in reward.

    `quick` runs in the caller's process: time linear in the text, no sympy; None means "ask
    `full`". `full` may take any time and memory, so it runs only in a worker that can be killed.
    `prepare` does the imports of `full`, so that no sample's deadline pays for them.

    >>> RuleReward("format", quick=lambda sample: Judged(1.0, "correct"))
    """

    name: str
    quick: Callable[[Sample], Judged | None]
    full: Callable[[Sample], Judged] | None = None
    prepare: Callable[[], None] = _nothing

    def judge(self, sample: Sample) -> Judged:
        """The verdict, whatever it takes: call this in a worker only."""
        judged = self.quick(sample)
        if judged is None and self.full is not None:
            judged = self.full(sample)
        if judged is None:
            raise RuntimeError(f"reward {self.name} came to no verdict and has no full path")
        return judged
