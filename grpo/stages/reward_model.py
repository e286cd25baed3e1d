"""Reward models: a head of one score on a checkpoint, trained to prefer what people preferred.

TRL's RewardTrainer makes the steps; saving and going on are ours, so that a kill costs nothing and
no expert is lost. The base's language head and multi-token-prediction layer are no part of what
scores and are left out; router biases stay as they were.
"""

import gc
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch.optim import Optimizer

from grpo.checkpoint.signals import StopRequest
from grpo.errors import Stopped, UserError
from grpo.learning.pair_exam import examine_pairs
from grpo.metrics import FLOPS
from grpo.model.load import check_scorable, load_scorer, load_tokenizer
from grpo.recipe.stages import RewardModel
from grpo.timing import Stopwatch
from grpo.train.flops import WITH_BACKWARD, ForwardCost
from grpo.train.preference import Course, Pair, PairTrainer
from grpo.train.update import NotFinite
from grpo.workbench.logbook import Logbook
from grpo.workbench.pairs import shown
from grpo.workbench.trained import Trained
from grpo.workbench.workbench import Workbench
from grpo_data.mixture import Stream
from grpo_data.preferences import Preference
from grpo_rewards.reward_model import room
from grpo_rewards.shown import Reader

TOLD = ("loss", "accuracy", "margin", "min_reward", "mean_reward", "max_reward")


def run_reward_model(stage: RewardModel, bench: Workbench, parent: Path, last_step: int) -> Path:
    """Train `parent` up to step `last_step` and judge held-out pairs by what came out; the folder
    of the last checkpoint.

    Goes on from the stage's newest checkpoint where there is one.
    """
    training = RewardTraining(stage, bench, parent, last_step)
    pairs, held_out = bench.preferences(stage)
    if training.step < last_step:
        training.train(pairs)
    if held_out and bench.accelerator.is_main_process:
        examine_pairs(stage, bench, training.checkpoint, held_out)
    bench.accelerator.wait_for_everyone()
    return training.checkpoint


class RewardTraining(Trained):
    """The reward model of a stage in TRL's hands. `step` counts optimizer steps.

    Raises UserError for a parent that no reward model can be made of.
    """

    def __init__(self, stage: RewardModel, bench: Workbench, parent: Path, last_step: int) -> None:
        super().__init__(stage, bench, parent)
        self._stage, self._steps, self._last_step = stage, bench.steps(stage), last_step
        self._watch = Stopwatch()
        self.step = self.saved.step if self.saved else 0
        # Before the logbook opens, which adds up what is there; `go_on` comes after it.
        bench.run.metrics.rewind(stage.name, self.step)
        check_scorable(bench.model, self.checkpoint)
        self.tokenizer = load_tokenizer(bench.model, self.checkpoint)

    def train(self, preferences: Sequence[Preference]) -> None:
        """All steps that are left. Raises Stopped when asked to stop; UserError for a loss or a
        gradient that is no number, and where processes cannot share a step evenly."""
        stage, name = self._stage, self._stage.name
        self._rows = len(preferences)
        self._trainer = self._open(preferences)
        self._logbook = Logbook(stage, self.bench, self.step, self._last_step)
        with self._logbook, StopRequest() as self._stop:
            try:
                self._trainer.train()
            except NotFinite as error:
                raise UserError(
                    f"stage {name!r}, step {self.step}: {error}; that step was not taken, the last "
                    f"good checkpoint is {self.checkpoint}; a lower optimizer.lr may help"
                ) from error
        # Model and optimizer make room for the judge of what came out.
        del self._trainer
        gc.collect()
        if self._stopping:
            raise Stopped(f"stopped after step {self.step} of {self._last_step} of {name!r}")

    def begin(self, optimizer: Optimizer) -> None:
        """Go on from the newest checkpoint, if there is one."""
        self.go_on(optimizer)
        self._tokens_before = self.tokens

    def step_done(self, metrics: Mapping[str, float]) -> bool:
        """Log the step and save where it is due; whether to stop."""
        learnt = self._places.batch(self.step, self._stage.batch)
        self.step += 1
        self.tokens = self._tokens_before + int(metrics["num_tokens"])
        told = {name: metrics[name] for name in (*TOLD, "grad_norm", "learning_rate")} | {
            "num_tokens": float(self.tokens),
            "epoch": self.step * self._stage.batch / self._rows,
            FLOPS: float(sum(self._flops[place] for place in learnt)),
        }
        self._logbook.write(self.step - 1, told | self._watch.take())
        self._stopping = self.bench.agreed(self._stop.requested)
        if self.is_due(self._last_step) or self._stopping:
            self.store(self._trainer.model, self._trainer.weights(), self._trainer.optimizer)
        return self._stopping

    def _open(self, preferences: Sequence[Preference]) -> PairTrainer:
        stage, bench = self._stage, self.bench
        model = load_scorer(bench.model, self.checkpoint, bench.recipe.seed)
        reader = Reader(
            self.tokenizer, True, room(model.config.get_text_config(), stage.max_length)
        )
        chosen, rejected = (
            reader.encoded([reader.texts(turns) for turns in side])["input_ids"]
            for side in shown(preferences, stage.part)
        )
        pairs = [Pair(*ids) for ids in zip(chosen, rejected, strict=True)]
        cost = ForwardCost.of(model)
        self._flops = [WITH_BACKWARD * cost.forward(map(len, pair)) for pair in pairs]
        self._places = Stream(range(len(preferences)), bench.recipe.seed)
        steps = range(self.step, self._last_step)
        return PairTrainer(
            model,
            self.tokenizer,
            pairs,
            [place for step in steps for place in self._places.batch(step, stage.batch)],
            self._course(),
            bench.accelerator,
            bench.run.checkpoints(stage.name, stage.checkpoint).root,
            self,
        )

    def _course(self) -> Course:
        stage, processes = self._stage, self.bench.accelerator.num_processes
        microbatch = min(stage.microbatch, stage.batch)
        if stage.batch % (microbatch * processes):
            raise UserError(
                f"stage {stage.name!r}: {stage.batch} pairs a step cannot be dealt to {processes} "
                f"processes in microbatches of {microbatch}; take a batch that is a multiple of "
                f"{microbatch * processes}, or a smaller microbatch"
            )
        return Course(
            stage.optimizer, stage.batch, microbatch, self.step, self._steps, self.bench.recipe.seed
        )
