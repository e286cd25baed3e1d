"""The rollouts of a stage on disk: what is there is read, what is not is collected and put there.

With several processes each collects its share of the groups on its own engine; all of them get
the whole rollout, and the first writes it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object

from grpo.rollout.collect import Collector
from grpo.rollout.record import read_rollout, write_rollout
from grpo.rollout.rewards import plain_advantages
from grpo.types import Group, Rollout
from grpo_data.problem import Problem


class RolloutShelf:
    """One file a step under `folder`; `scale` is the advantages', for the files' readers."""

    def __init__(
        self, folder: Path, collector: Collector, accelerator: Accelerator, scale: str
    ) -> None:
        self.folder = folder
        self._collector = collector
        self._accelerator = accelerator
        self._scale = scale

    def take(self, step: int, problems: Callable[[], Sequence[Problem]]) -> Rollout:
        """The rollout of `step`: from its file, or collected on `problems()` and filed."""
        return self.filed(step, lambda: Rollout(step, self.collect(problems(), step)))

    def filed(self, step: int, draw: Callable[[], Rollout]) -> Rollout:
        """The rollout of `step`: from its file, or drawn and filed with what the rewards logged."""
        path = self.file(step)
        there = broadcast_object_list([path.exists()])[0]
        if not there:
            self._collector.sampler.metrics()  # of what others drew since the last rollout
            rollout = draw()
            rollout = replace(rollout, metrics=self._logged() | dict(rollout.metrics))
            if self._accelerator.is_main_process:
                write_rollout(path, rollout, plain_advantages(rollout, self._scale))
            self._accelerator.wait_for_everyone()
        return read_rollout(path)

    def file(self, step: int) -> Path:
        """Where the rollout of `step` is, or would be."""
        return self.folder / f"step-{step:06d}.parquet"

    def collect(
        self, problems: Sequence[Problem], step: int, times: Sequence[int] = ()
    ) -> tuple[Group, ...]:
        """A group of each problem, in their order, of whatever process drew it."""
        rank, world = self._accelerator.process_index, self._accelerator.num_processes
        mine = list(enumerate(problems))[rank::world]
        own = [problem for _, problem in mine]
        groups = self._collector.collect(own, step, times[rank::world])
        placed = list(zip((place for place, _ in mine), groups, strict=True))
        everyone = gather_object(placed) if world > 1 else placed
        return tuple(group for _, group in sorted(everyone, key=lambda pair: pair[0]))

    def _logged(self) -> dict[str, float]:
        """The mean of each metric that rewards and sampler logged, over all processes."""
        scorer = self._collector.scorer
        mine = list(scorer.take_metrics().items()) if scorer else []
        mine += [(name, [value]) for name, value in self._collector.sampler.metrics().items()]
        everyone = gather_object(mine) if self._accelerator.num_processes > 1 else mine
        values: dict[str, list[float]] = {}
        for name, some in everyone:
            values.setdefault(name, []).extend(some)
        return {name: fmean(all_of_them) for name, all_of_them in sorted(values.items())}
