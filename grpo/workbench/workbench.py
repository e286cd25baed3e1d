"""What the stages of a run share: its folder, its problems, one sampler, its scorers."""

import json
import math
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from accelerate import Accelerator
from accelerate.utils import gather_object
from transformers import PreTrainedTokenizerBase

from grpo.errors import UserError
from grpo.model.load import base_folder, check_scorable
from grpo.recipe.references import references
from grpo.recipe.schema import Recipe
from grpo.recipe.sections import Conversations, Data, Model
from grpo.recipe.stages import (
    AnyStage,
    Distill,
    Drawn,
    Evaluate,
    Reject,
    RewardModel,
    Rl,
    Sft,
)
from grpo.rollout.collect import Collector
from grpo.rollout.fixed import Order
from grpo.run.resolved import resolved
from grpo.run.run_directory import RunDirectory
from grpo.sampler import Sampler
from grpo.timing import Stopwatch
from grpo.train.policy import Policy
from grpo.workbench import domains
from grpo.workbench.base import engine_config
from grpo.workbench.drafts import check_drafts
from grpo.workbench.engine import Engine
from grpo.workbench.experts import check_experts
from grpo.workbench.gate import past_the_gate
from grpo.workbench.pairs import read_pairs
from grpo.workbench.posed import posed
from grpo.workbench.vocabularies import check_vocabularies
from grpo_data.conversations import Conversation, load_conversations, split_by_loss
from grpo_data.preferences import Preference
from grpo_data.problem import Problem
from grpo_data.sources import load_problems, split_held_out
from grpo_rewards.chosen import Setting
from grpo_rewards.workers import Scorer


class Workbench:
    """Opened by the pipeline, lent to each stage, closed at the end."""

    def __init__(self, recipe: Recipe, run: RunDirectory, accelerator: Accelerator) -> None:
        self.recipe, self.run, self.accelerator = recipe, run, accelerator
        self._engine = Engine(engine_config(recipe))
        self._scorers: dict[str, Scorer] = {}
        self._problems: dict[str, tuple[list[Problem], list[Problem]]] = {}
        self._training: dict[str, list[Problem]] = {}
        self._conversations: dict[str, tuple[list[Conversation], list[Conversation]]] = {}
        self._preferences: dict[str, tuple[list[Preference], list[Preference]]] = {}

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
            closing.callback(self._engine.close)

    def sampler(self, checkpoint: Path) -> Sampler:
        """The engine, holding the weights of `checkpoint`."""
        return self._engine.holding(checkpoint)

    def push(self, policy: Policy) -> None:
        """Give the engine the policy's present weights, its draft's among them."""
        self._engine.push(policy)

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
            self.scorer(self.rewards(stage)),
            tokenizer,
            self.recipe.prompt,
            stage.sampling,
            stage.group_size,
            self.recipe.seed,
            stage.name,
            watch,
            stage.steps,
            len(self.training_problems(stage)) / stage.prompts,
            domains.weights(stage),
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
        run here, before any model is loaded. What a stage of the run is still to make is left."""
        check_vocabularies(self.recipe, self.model)
        for stage in self.recipe.stages:
            if isinstance(stage, Sft) and not _is_to_come(stage.data.path):
                self.conversations(stage)
            if isinstance(stage, RewardModel):
                if not _is_to_come(stage.data.path):
                    self.preferences(stage)
                if self.recipe.model:
                    check_scorable(self.model, base_folder(self.recipe.model))
            if isinstance(stage, Reject) and stage.beside and not _is_to_come(stage.beside.path):
                read_conversations(stage.beside)
            if isinstance(stage, Rl | Distill | Drawn | Evaluate):
                self.problems(stage.data)
            if isinstance(stage, Evaluate):
                self._look_at(stage)
            if isinstance(stage, Rl | Distill | Drawn):
                self.training_problems(stage)
            if isinstance(stage, Rl):
                self.order(stage)
            if isinstance(stage, Rl | Drawn) and not _is_to_come(self.rewards(stage)):
                self.scorer(self.rewards(stage)).start()
        check_drafts(self.recipe)
        check_experts(self.recipe, self.model)

    def resolved(self, stage: AnyStage) -> AnyStage:
        """`stage` with paths in the place of the stages it names, which are done."""
        return resolved(stage, self.recipe, self.run)

    def rewards(self, stage: Rl | Drawn) -> dict[str, Setting]:
        """The stage's rewards (those of all its domains together), or the recipe's."""
        chosen = (stage.paid if isinstance(stage, Rl) else stage.rewards) or self.recipe.rewards
        return {name: paid.model_dump() for name, paid in chosen.items()}

    def _look_at(self, stage: Evaluate) -> None:
        """Load what an evaluate stage judges by, where it is there already."""
        tasks = posed(stage, self.problems(stage.data)[1], self.recipe.prompt)
        for task in tasks if stage.rewards else ():
            if not _is_to_come(dict(task.marking.rewards)):
                self.scorer(task.marking.rewards).start()

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

    def order(self, stage: Rl) -> Order:
        """The order in which the stage meets its training problems; UserError where its domains
        and its problems do not go together."""
        domains.check_exam(stage, self.problems(stage.data)[1])
        return domains.order(stage, self.training_problems(stage), self.recipe.seed)

    def training_problems(self, stage: Rl | Distill | Drawn) -> list[Problem]:
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
        if isinstance(stage, RewardModel):
            return math.ceil(len(self.preferences(stage)[0]) * stage.epochs / stage.batch)
        if not isinstance(stage, Sft):
            return getattr(stage, "steps", 0)
        return math.ceil(len(self.conversations(stage)[0]) * stage.epochs / stage.batch)

    def conversations(self, stage: Sft) -> tuple[list[Conversation], list[Conversation]]:
        """(train, held out for the loss). Raises UserError where there are too few."""
        data = stage.data
        key = data.model_dump_json()
        if key not in self._conversations:
            self._conversations[key] = split_by_loss(read_conversations(data), data.held_out)
        train, held_out = self._conversations[key]
        if len(train) < stage.batch or (stage.evaluate_every and not held_out):
            raise UserError(
                f"stage {stage.name!r}: {data.path} has {len(train)} conversations to learn from "
                f"and {len(held_out)} held out; a step takes {stage.batch}, a look at least 1"
            )
        return train, held_out

    def preferences(self, stage: RewardModel) -> tuple[list[Preference], list[Preference]]:
        """(train, held out). Raises UserError where there are too few to train on."""
        if stage.name not in self._preferences:
            self._preferences[stage.name] = read_pairs(stage)
        train, held_out = self._preferences[stage.name]
        if len(train) < stage.batch:
            raise UserError(
                f"stage {stage.name!r}: {stage.data.path} has {len(train)} pairs to learn from "
                f"whose {stage.part}s differ, and a step takes {stage.batch}"
            )
        return train, held_out

    def problems(self, data: Data | None) -> tuple[list[Problem], list[Problem]]:
        """(train, held out) of a stage's `data`, or of the recipe's."""
        data = data or self.recipe.data
        key = data.model_dump_json()
        if key not in self._problems:
            self._problems[key] = _split(data)
        return self._problems[key]


def read_conversations(data: Conversations) -> list[Conversation]:
    """All conversations of the source."""
    return load_conversations(
        data.path, split=data.split, subset=data.subset, limit=data.size, config=data.config
    )


def _is_to_come(knobs: Any) -> bool:
    """Whether a stage is named in `knobs` for what it makes."""
    return any(references(knobs))


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
