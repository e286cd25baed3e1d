"""The shape of a built-in reward: a verdict at once where that is safe, else one for a worker.

A rule knows nothing of processes; `grpo_rewards.workers` decides where `full` runs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grpo_rewards.verdict import Judged, Sample


def _nothing() -> None:
    """No preparation is needed, and nothing can be missing."""


@dataclass(frozen=True)
class RuleReward:
    """One built-in reward.

    `quick` runs in the caller's process: time linear in the text, no sympy; None means "ask
    `full`". `full` may take any time and memory, so it runs only in a worker that can be killed.
    `prepare` does the imports of `full`, so that no sample's deadline pays for them. `check`, in
    the caller's process, raises RewardError where the machine lacks what the reward needs, so that
    a run stops before it begins. `on_failure` is what a sample is paid that the reward fails on
    (its deadline, its memory): the lowest it has, or None to leave the part out; then a failure on
    every sample stops the run, as of a user's function.

    `batch` stands for `full` where many samples at once are cheaper and what judges them is large
    (a model): such a reward has one worker to itself, without a bound on its memory.

    >>> RuleReward("format", quick=lambda sample: Judged(1.0, "correct"))
    """

    name: str
    quick: Callable[[Sample], Judged | None]
    full: Callable[[Sample], Judged] | None = None
    prepare: Callable[[], object] = _nothing
    check: Callable[[], None] = _nothing
    on_failure: float | None = 0.0
    batch: Callable[[Sequence[Sample]], list[Judged]] | None = None

    @property
    def needs_worker(self) -> bool:
        """Whether some samples cannot be judged by `quick`."""
        return self.full is not None or self.batch is not None

    def judge_all(self, samples: Sequence[Sample]) -> list[Judged]:
        """The verdicts, whatever they take: call this in a worker only."""
        return self.batch(samples) if self.batch else [self.judge(sample) for sample in samples]

    def judge(self, sample: Sample) -> Judged:
        """The verdict, whatever it takes: call this in a worker only."""
        judged = self.quick(sample)
        if judged is None and self.batch is not None:
            (judged,) = self.batch([sample])
        elif judged is None and self.full is not None:
            judged = self.full(sample)
        if judged is None:
            raise RuntimeError(f"reward {self.name} came to no verdict and has no full path")
        return judged
