"""The rollouts of a stage on disk: what is there is read, what is not is collected and put there.

With several processes each collects its share of the groups on its own engine; all of them get
the whole rollout, and the first writes it.
"""

from collections.abc import Callable, Sequence
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
        path = self.folder / f"step-{step:06d}.parquet"
        there = broadcast_object_list([path.exists()])[0]
        if not there:
            rollout = Rollout(step, self._collect(problems(), step), self._logged())
            if self._accelerator.is_main_process:
                write_rollout(path, rollout, plain_advantages(rollout, self._scale))
            self._accelerator.wait_for_everyone()
        return read_rollout(path)

    def _collect(self, problems: Sequence[Problem], step: int) -> tuple[Group, ...]:
        rank, world = self._accelerator.process_index, self._accelerator.num_processes
        mine = list(enumerate(problems))[rank::world]
        groups = self._collector.collect([problem for _, problem in mine], step)
        placed = list(zip((place for place, _ in mine), groups, strict=True))
        everyone = gather_object(placed) if world > 1 else placed
        return tuple(group for _, group in sorted(everyone, key=lambda pair: pair[0]))

    def _logged(self) -> dict[str, float]:
        """The mean of each metric the rewards logged, over all processes."""
        scorer = self._collector.scorer
        mine = list(scorer.take_metrics().items()) if scorer else []
        everyone = gather_object(mine) if self._accelerator.num_processes > 1 else mine
        values: dict[str, list[float]] = {}
        for name, some in everyone:
            values.setdefault(name, []).extend(some)
        return {name: fmean(all_of_them) for name, all_of_them in sorted(values.items())}
