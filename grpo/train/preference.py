"""Pairwise training of a reward model: TRL's RewardTrainer (Bradley-Terry loss, collator, loop).

Its own saving, resuming, evaluation and reporting stay off: after every step `Hooks` are told, and
the caller does those things its own way. The order of pairs is the caller's as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from accelerate import Accelerator
from datasets import Dataset
from torch import Tensor
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
)
from trl import RewardConfig, RewardTrainer

from grpo.model.names import checkpoint_tensors
from grpo.recipe.sections import Optimizer as OptimizerKnobs
from grpo.train.optim import build_optimizer, learning_rate
from grpo.train.update import NotFinite


class Pair(NamedTuple):
    """Token ids of two conversations that begin with the same question; the first is preferred.

    >>> Pair(chosen=[2, 41, 7, 1], rejected=[2, 41, 9, 9, 1])
    """

    chosen: Sequence[int]
    rejected: Sequence[int]


@dataclass(frozen=True)
class Course:
    """How pairs are learnt: `batch` a step, `microbatch` of them a forward; the steps from `start`
    are to be done, of `total` that the schedule counts.

    >>> Course(Optimizer(lr=6e-6), batch=64, microbatch=16, start=50, total=150, seed=0)
    """

    optimizer: OptimizerKnobs
    batch: int
    microbatch: int
    start: int
    total: int
    seed: int


class Hooks(Protocol):
    """What is told of the training."""

    def begin(self, optimizer: Optimizer) -> None:
        """Before the first step: the optimizer stands and may be given an earlier state."""

    def step_done(self, metrics: Mapping[str, float]) -> bool:
        """After each step, with TRL's metrics of it; True ends the training."""


class PairTrainer(RewardTrainer):
    """TRL's trainer with our optimizer, schedule and order of pairs.

    The loss of a pair is -log sigmoid(r(chosen) - r(rejected)), its mean over a step's pairs.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        pairs: Sequence[Pair],
        order: Sequence[int],
        course: Course,
        accelerator: Accelerator,
        folder: Path,
        hooks: Hooks,
    ) -> None:
        """`order` are places in `pairs`, `course.batch` a step; nothing is written to `folder`."""
        self._course = course
        args = _arguments(course, len(order) // course.batch, accelerator, folder)
        rows = {
            "chosen_ids": [p.chosen for p in pairs],
            "rejected_ids": [p.rejected for p in pairs],
        }
        super().__init__(
            model,
            args,
            train_dataset=Dataset.from_dict(rows).select(order),
            processing_class=tokenizer,
            callbacks=[_Telling(hooks)],
        )
        self.remove_callback(PrinterCallback)

    def create_optimizer(self, model: Any = None) -> AdamW:
        """The house's AdamW over what is trained."""
        module = self.model if model is None else model
        self.optimizer = build_optimizer(module.parameters(), self._course.optimizer)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> LambdaLR:
        """The recipe's schedule from the course's start on."""
        knobs, start, total = self._course.optimizer, self._course.start, self._course.total
        self.lr_scheduler = LambdaLR(
            optimizer or self.optimizer,
            lambda step: learning_rate(knobs, start + step, total) / knobs.lr,
        )
        return self.lr_scheduler

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        """Forward and backward of a microbatch. Raises NotFinite for a loss that is no number."""
        loss: Tensor = super().training_step(*args, **kwargs)
        if not loss.isfinite():
            raise NotFinite(f"loss {float(loss)}")
        return loss

    def weights(self) -> dict[str, Tensor]:
        """The model's tensors under their checkpoint names, gathered where sharded."""
        state = self.accelerator.get_state_dict(self.model_wrapped)
        return checkpoint_tensors(self.accelerator.unwrap_model(self.model_wrapped), state)

    def _send_telemetry(self) -> None:
        # TRL tells Hugging Face of every training; nobody asked us to.
        return


def _arguments(course: Course, steps: int, accelerator: Accelerator, folder: Path) -> RewardConfig:
    args = RewardConfig(
        output_dir=str(folder),
        per_device_train_batch_size=course.microbatch,
        gradient_accumulation_steps=course.batch // (course.microbatch * accelerator.num_processes),
        max_steps=steps,
        train_sampling_strategy="sequential",
        max_length=None,
        max_grad_norm=course.optimizer.max_grad_norm,
        learning_rate=course.optimizer.lr,
        seed=course.seed,
        # The model comes in its dtype, with activations recomputed or not.
        bf16=False,
        gradient_checkpointing=False,
        use_cpu=accelerator.device.type == "cpu",
        accelerator_config={"use_configured_state": True},
        logging_steps=1,
        logging_nan_inf_filter=False,
        log_level="error",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    # One process is on one device, however many the machine has.
    args._n_gpu = min(1, args.n_gpu)
    return args


class _Telling(TrainerCallback):
    """Passes on what the trainer's loop does."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks, self._has_begun = hooks, False

    def on_step_begin(self, *_: Any, optimizer: Any, **__: Any) -> None:
        # Not before: on its way here the loop draws from the generators that `begin` may set.
        if not self._has_begun:
            self._hooks.begin(optimizer)
            self._has_begun = True

    def on_pre_optimizer_step(self, *_: Any, model: Any, **__: Any) -> None:
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        if not all(bool(torch.isfinite(gradient).all()) for gradient in gradients):
            raise NotFinite("the gradient is not finite")

    def on_log(
        self, _args: Any, _state: Any, control: TrainerControl, logs: Mapping[str, float], **_: Any
    ) -> None:
        if "loss" in logs and self._hooks.step_done(logs):  # the last line of all is a summary
            control.should_training_stop = True
