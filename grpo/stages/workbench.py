"""What the stages of a run share: its folder, its problems, one sampler, its scorers."""

import json
import math
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from grpo.checkpoint.weights import load_weights
from grpo.errors import UserError
from grpo.model.load import layer_count
from grpo.recipe.schema import Recipe
from grpo.recipe.sections import Data, Model
from grpo.recipe.stages import AnyStage, Evaluate, Rl, Sft
from grpo.rollout.collect import Collector
from grpo.sampler import Sampler, open_sampler
from grpo.stages.gate import past_the_gate
from grpo.stages.run_directory import RunDirectory
from grpo.timing import Stopwatch
from grpo.train.policy import Policy
from grpo_data.conversations import Conversation, load_conversations, split_by_loss
from grpo_data.problem import Problem
from grpo_data.sources import load_problems, split_held_out
from grpo_rewards.chosen import Setting
from grpo_rewards.workers import Scorer


class Workbench:
    """Opened by the pipeline, lent to each stage, closed at the end.

    There is one engine: a stage that starts from another checkpoint has its weights pushed into
    the engine that runs, which takes a blink where a start takes seconds.
    """

    def __init__(self, recipe: Recipe, run: RunDirectory, accelerator: Accelerator) -> None:
        self.recipe, self.run, self.accelerator = recipe, run, accelerator
        self._sampler: Sampler | None = None
        self._holds: Path | None = None
        self._scorers: dict[str, Scorer] = {}
        self._problems: dict[str, tuple[list[Problem], list[Problem]]] = {}
        self._training: dict[str, list[Problem]] = {}
        self._conversations: dict[str, tuple[list[Conversation], list[Conversation]]] = {}

    def __enter__(self) -> "Workbench":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with ExitStack() as closing:
            for scorer in self._scorers.values():
                closing.callback(scorer.close)
            if self._sampler is not None:
                closing.callback(self._sampler.close)

    def sampler(self, checkpoint: Path) -> Sampler:
        """The engine, holding the weights of `checkpoint`."""
        if self._sampler is None:
            # The trainer's dtype, not the file's: a bfloat16 base may be trained in float32.
            dtype = self.recipe.sampler.dtype or self.model.dtype
            self._sampler = open_sampler(
                checkpoint, self.recipe.sampler.model_copy(update={"dtype": dtype})
            )
        elif self._holds != checkpoint:
            self._sampler.sync(*_weights(checkpoint))
        self._holds = checkpoint
        return self._sampler

    def push(self, policy: Policy) -> None:
        """Give the engine the policy's present weights, its draft's among them."""
        assert self._sampler is not None
        self._holds = None
        self._sampler.sync(policy.weights().items(), policy.draft_weights().items())

    def collector(
        self,
        stage: Rl,
        sampler: Sampler,
        tokenizer: PreTrainedTokenizerBase,
        watch: Stopwatch,
    ) -> Collector:
        """What collects the stage's rollouts."""
        return Collector(
            sampler,
            self.scorer(self._rewards(stage)),
            tokenizer,
            self.recipe.prompt,
            stage.sampling,
            stage.group_size,
            self.recipe.seed,
            stage.name,
            watch,
            stage.steps,
            len(self.training_problems(stage)) / stage.prompts,
        )

    def agreed(self, flag: bool) -> bool:
        """Whether any process raised `flag`: all of them must stop at the same step."""
        if self.accelerator.num_processes == 1:
            return flag
        return any(gather_object([flag]))

    @property
    def model(self) -> Model:
        """How models are held; a recipe that makes its own base holds it by the defaults."""
        return self.recipe.model or Model(path="")

    def prepare(self) -> None:
        """Read the problems and load the rewards of all stages: what is wrong with them stops the
        run here, before any model is loaded."""
        for stage in self.recipe.stages:
            if isinstance(stage, Sft):
                self.conversations(stage)
            if isinstance(stage, Rl | Evaluate):
                self.problems(stage.data)
            if isinstance(stage, Rl):
                self.training_problems(stage)
                self.scorer(self._rewards(stage)).start()

    def _rewards(self, stage: Rl) -> dict[str, Setting]:
        """The stage's rewards, or the recipe's."""
        chosen = stage.rewards or self.recipe.rewards
        return {name: paid.model_dump() for name, paid in chosen.items()}

    def scorer(self, rewards: Mapping[str, Setting]) -> Scorer:
        """Reward workers for `rewards`."""
        key = json.dumps(rewards)
        if key not in self._scorers:
            machine = self.recipe.runtime
            self._scorers[key] = Scorer(
                rewards,
                workers=machine.reward_workers,
                deadline_s=machine.reward_deadline,
                memory_mb=machine.reward_memory_mib,
            )
        return self._scorers[key]

    def training_problems(self, stage: Rl) -> list[Problem]:
        """What the stage trains on: the train problems of its data that pass the gate.

        What the gate finds is printed and written into the run directory.
        """
        data = stage.data or self.recipe.data
        key = data.model_dump_json()
        if key not in self._training:
            report = self.run.overlap(stage.name if stage.data else None)
            is_main = self.accelerator.is_main_process
            train, _ = self.problems(data)
            self._training[key] = past_the_gate(train, data, report if is_main else None)
        return self._training[key]

    def steps(self, stage: AnyStage) -> int:
        """How many steps the stage has in all; 0 for one that has none."""
        if not isinstance(stage, Sft):
            return getattr(stage, "steps", 0)
        return math.ceil(len(self.conversations(stage)[0]) * stage.epochs / stage.batch)

    def conversations(self, stage: Sft) -> tuple[list[Conversation], list[Conversation]]:
        """(train, held out for the loss). Raises UserError where there are too few."""
        data = stage.data
        key = data.model_dump_json()
        if key not in self._conversations:
            read = load_conversations(
                data.path, split=data.split, subset=data.subset, limit=data.size, config=data.config
            )
            self._conversations[key] = split_by_loss(read, data.held_out)
        train, held_out = self._conversations[key]
        if len(train) < stage.batch or (stage.evaluate_every and not held_out):
            raise UserError(
                f"stage {stage.name!r}: {data.path} has {len(train)} conversations to learn from "
                f"and {len(held_out)} held out; a step takes {stage.batch}, a look at least 1"
            )
        return train, held_out

    def problems(self, data: Data | None) -> tuple[list[Problem], list[Problem]]:
        """(train, held out) of a stage's `data`, or of the recipe's."""
        data = data or self.recipe.data
        key = data.model_dump_json()
        if key not in self._problems:
            self._problems[key] = _split(data)
        return self._problems[key]


def _split(data: Data) -> tuple[list[Problem], list[Problem]]:
    if data.held_out_path:
        return _load(data, data.path), _load(data, data.held_out_path)
    return split_held_out(_load(data, data.path), data.held_out)


def _load(data: Data, path: str) -> list[Problem]:
    return load_problems(
        path,
        question=data.question,
        answer=data.answer,
        split=data.split,
        subset=data.subset,
        answer_after=data.answer_after,
        limit=data.size,
        config=data.config if path == data.path else {},
    )


def _weights(folder: Path) -> tuple[list[tuple[str, Tensor]], list[tuple[str, Tensor]]]:
    """A checkpoint's policy and draft tensors; the draft's lie in the layer after the last."""
    head = f"model.layers.{layer_count(folder)}."
    tensors = list(load_weights(folder))
    return (
        [(n, t) for n, t in tensors if not n.startswith(head)],
        [(n, t) for n, t in tensors if n.startswith(head)],
    )
