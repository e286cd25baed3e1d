"""How even the load of a stage's experts is: a few numbers a step, and the counts themselves.

The counts go into load.jsonl, a line a step, which is cut back as metrics.jsonl is. What moves the
biases that even the load is `train.policy`.
"""

# L = layers with experts, E = experts

from collections.abc import Sequence

import torch
from torch import Tensor

from grpo.model.balance import dead_share, died_share, max_violation
from grpo.workbench.workbench import Workbench


class LoadLog:
    """Writes what each expert of the layers numbered `layers` had of a step's tokens.

    An expert has died that had tokens in the stage's first step and has none now.
    """

    def __init__(self, stage: str, bench: Workbench, layers: Sequence[int]) -> None:
        self._stage, self._layers = stage, list(layers)
        self._file, self._writes = bench.run.load, bench.accelerator.is_main_process
        self._first_LE: Tensor | None = None

    def write(self, step: int, updates: Sequence[Tensor | None]) -> dict[str, float]:
        """Log the loads [L, E] of the updates of `step` together, and what they come to; nothing
        for a dense model."""
        loads = [load_LE for load_LE in updates if load_LE is not None]
        if not loads:
            return {}
        load_LE = torch.stack(loads).double().sum(0)
        if self._first_LE is None:
            self._first_LE = self._logged_first(load_LE) if self._writes else load_LE
        if self._writes:
            counts = {"layers": self._layers, "load": load_LE.long().tolist()}
            self._file.append(self._stage, step, counts)
        return {
            "moe/max_vio": max_violation(load_LE),
            "moe/dead": dead_share(load_LE),
            "moe/died": died_share(load_LE, self._first_LE),
        }

    def _logged_first(self, load_LE: Tensor) -> Tensor:
        """The load of the stage's first step, which is `load_LE` where none is logged."""
        first = self._file.first(self._stage)
        return load_LE if first is None else torch.tensor(first["load"]).double()
