"""What a stage says while it runs: metrics.jsonl, the trackers, a bar or plain lines."""

from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType

from grpo.metrics import FLOPS, FLOPS_SO_FAR
from grpo.progress import Progress
from grpo.recipe.stages import Distill, Pretrain, RewardModel, Rl, Sft
from grpo.track import Trackers
from grpo.workbench.workbench import Workbench


class Logbook:
    """Writes each step's metrics to all of them; only the first process writes.

    `SHOWN` maps a metric to the short name it has in the terminal. What the stage has computed so
    far is the sum of its lines, so that a step done again after a kill counts once.
    """

    SHOWN: Mapping[str, str] = {
        "reward": "reward",
        "rewards/accuracy/mean": "accuracy",
        "rewards/format/mean": "format",
        "eval/strict": "held-out",
        "completions/mean_length": "length",
        "loss": "loss",
        "eval_loss": "held-out loss",
        "kl": "kl",
        "accuracy": "accuracy",
        "margin": "margin",
    }

    def __init__(
        self,
        stage: Pretrain | Sft | Rl | RewardModel | Distill,
        bench: Workbench,
        start: int,
        total: int,
    ) -> None:
        self._stage, self._main = stage.name, bench.accelerator.is_main_process
        self._metrics = bench.run.metrics
        self._flops = self._metrics.total(stage.name, FLOPS)
        self._open = ExitStack()
        self._progress = Progress(stage.name, start, total) if self._main else None
        track = bench.recipe.track
        self._trackers = Trackers(
            track.to if self._main else (), bench.run.root, track.project, stage.name, start
        )

    def __enter__(self) -> "Logbook":
        self._open.callback(self._trackers.close)
        if self._progress:
            self._open.enter_context(self._progress)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log the metrics of `step`."""
        if not self._progress:
            return
        if FLOPS in metrics:
            self._flops += metrics[FLOPS]
            metrics = {**metrics, FLOPS_SO_FAR: self._flops}
        self._metrics.append(self._stage, step, metrics)
        self._trackers.log(metrics, step)
        self._progress.advance(
            {short: metrics[name] for name, short in self.SHOWN.items() if name in metrics}
        )
