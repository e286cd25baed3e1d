"""The workers of one scorer: a pool for all that is light, and one worker for each model.

A light worker that is killed is back in a second; one that holds a reward model is not, so the two
never share a process. How a pool kills and replaces is the pool's.
"""

from collections.abc import Iterator, Sequence

from grpo_rewards.calls import Answer, Call, Setup
from grpo_rewards.chosen import Chosen
from grpo_rewards.pool import Pool
from grpo_rewards.process import WorkerProcess
from grpo_rewards.table import Target

_WALL_PER_DEADLINE = 10.0
_MODEL_S = 600.0
"""What a model may take for a sample, of CPU (all its threads) as of wall: its work is bounded by
the tokens it is given, so the deadline of hostile text is not for it."""


class Crew:
    """The pools for the rewards chosen; `workers`, `deadline_s` and `memory_mb` as in Scorer."""

    def __init__(self, chosen: Chosen, workers: int, deadline_s: float, memory_mb: int) -> None:
        self._chosen = chosen
        self._pools: list[Pool] = []
        self._pool_of: dict[str, Pool] = {}
        light, heavy = chosen.needing_worker()
        for targets in filter(None, (light, *((one,) for one in heavy))):
            is_light = targets is light
            cpu_s = deadline_s if is_light else _MODEL_S
            wall_s = _WALL_PER_DEADLINE * deadline_s if is_light else _MODEL_S
            setup = Setup(targets, chosen.knobs, cpu_s, memory_mb if is_light else None)
            pool = Pool(setup, workers if is_light else 1, wall_s)
            self._pools.append(pool)
            self._pool_of |= {target.name: pool for target in targets}

    def run(self, calls: Sequence[Call]) -> Iterator[tuple[Call, Answer]]:
        """Each call with its answer, pool after pool; see Pool.run."""
        for pool in self._pools:
            yield from pool.run([call for call in calls if self._pool_of[call.reward] is pool])

    def start(self) -> None:
        """Load users' functions and models now; RewardError where one cannot be."""
        for pool in self._pools:
            if any(map(self._must_load, pool.targets)):
                pool.start()

    def close(self) -> None:
        """End every process."""
        for pool in self._pools:
            pool.close()

    @property
    def processes(self) -> list[WorkerProcess]:
        """The workers that live now."""
        return [process for pool in self._pools for process in pool.processes]

    def _must_load(self, target: Target) -> bool:
        """Whether only loading it shows that it is right."""
        rule = self._chosen.rules.get(target.name)
        return rule is None or rule.batch is not None
