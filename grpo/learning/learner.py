"""Policy, reference and optimizer of one RL stage: learn from a lesson, save, go on from a save."""

from pathlib import Path

from transformers import PreTrainedModel

from grpo.checkpoint.weights import save_weights
from grpo.errors import UserError
from grpo.learning.lesson import Lesson, objective_of
from grpo.metrics import FLOPS
from grpo.model.load import load_model, load_tokenizer
from grpo.model.sharing import share_prompts
from grpo.recipe.stages import Rl
from grpo.rollout.statistics import token_count, token_counts
from grpo.train.flops import over_all
from grpo.train.optim import bias_speed, learning_rate, set_learning_rate
from grpo.train.policy import Policy, Reference
from grpo.train.side import SideLosses
from grpo.train.update import NotFinite, Update, summary, update
from grpo.types import Rollout
from grpo.workbench.drafts import open_draft
from grpo.workbench.load import LoadLog
from grpo.workbench.replay import check_replay
from grpo.workbench.trained import Trained
from grpo.workbench.workbench import Workbench


class Learner(Trained):
    """What learns. `step` counts rollouts learnt from.

    Raises UserError where an MTP loss is asked for and the model has no such layers.
    """

    def __init__(self, stage: Rl, bench: Workbench, parent: Path) -> None:
        super().__init__(stage, bench, parent)
        self._stage = stage
        self._objective = objective_of(stage)
        check_replay(stage, self.checkpoint)
        self.tokenizer = load_tokenizer(bench.model, self.checkpoint)
        model = self._model(self.checkpoint)
        mtp = open_draft(stage, model, self.checkpoint)
        side = SideLosses(stage.mtp_weight, stage.balance, stage.mtp_detach, stage.expert_balance)
        self.policy = Policy(
            model, bench.accelerator, stage.optimizer, mtp, side, stage.router_replay
        )
        self._load = LoadLog(stage.name, bench, self.policy.watch.layers)
        replaced = self.saved and self.saved.reference
        self.reference = self._open_reference(replaced or parent)
        self.go_on(self.policy.optimizer)

    def learn(self, rollout: Rollout, lesson: Lesson | None) -> dict[str, float]:
        """Every epoch and minibatch of the lesson, and what they did; no lesson, no update."""
        self.step = rollout.step + 1
        self.tokens += token_count(rollout)
        metrics = {"num_tokens": float(self.tokens), "num_updates": 0.0}
        learnt = {} if lesson is None else self._learn(rollout, lesson)
        # A lesson that was scored has said it already, of the very policy that sampled.
        metrics |= self.policy.routing_difference() | learnt
        return metrics | {FLOPS: self._flops(rollout)}

    def _learn(self, rollout: Rollout, lesson: Lesson) -> dict[str, float]:
        minibatches = lesson.minibatches * self._stage.epochs
        done = [self._update(rollout, lesson, n, rows) for n, rows in enumerate(minibatches)]
        metrics = self._load.write(rollout.step, [one.load_LE for one in done])
        metrics["num_updates"] = float(len(done))
        return metrics | lesson.metrics | summary(self.policy, done)

    def _flops(self, rollout: Rollout) -> float:
        """FLOPs since the last step: drawing, the gate, scoring, the updates."""
        spent = self.policy.spent() + (self.reference.spent() if self.reference else 0)
        drawing = self.policy.cost.forward(token_counts(rollout))
        return over_all(self.bench.accelerator, spent) + drawing

    def refresh_reference(self) -> None:
        """Replace the reference by the policy where the recipe says so."""
        every = self._stage.reference.refresh_every
        if self.reference is not None and every and self.step % every == 0:
            self.reference.refresh(self.policy)

    def save(self, score: float | None) -> None:
        """Store everything the run goes on from; `score` ranks the checkpoint."""
        weights = self.policy.weights() | self.policy.draft_weights()
        replaced = self._replaced_reference
        reference = None if replaced is None else replaced.weights()
        model = self.policy.model

        def beside(folder: Path) -> None:
            if reference is not None:
                place = folder / "trainer" / "reference"
                save_weights(place, reference, model.config, self.tokenizer)

        self.store(model, weights, self.policy.optimizer, score, beside)

    @property
    def _replaced_reference(self) -> Reference | None:
        """The reference, where it is no longer the parent."""
        return self.reference if 0 < self._stage.reference.refresh_every <= self.step else None

    def _open_reference(self, folder: Path) -> Reference | None:
        if self._stage.objective.beta == 0:
            return None
        return Reference(self._model(folder), self.bench.accelerator)

    def _model(self, folder: Path) -> PreTrainedModel:
        model = load_model(self.bench.model, folder)
        return share_prompts(model) if self._stage.share_prompts else model

    def _update(
        self, rollout: Rollout, lesson: Lesson, number: int, rows: tuple[int, ...]
    ) -> Update:
        stage = self._stage
        a_step = stage.minibatches * stage.epochs
        at, total = rollout.step * a_step + number, stage.steps * a_step
        set_learning_rate(self.policy.optimizer, learning_rate(stage.optimizer, at, total))
        try:
            return update(
                self.policy,
                lesson.sequences.rows(rows),
                lesson.batch.rows(list(rows)),
                self._objective,
                temperature=stage.sampling.temperature,
                budget=stage.tokens_per_microbatch,
                max_grad_norm=stage.optimizer.max_grad_norm,
                bias_speed=bias_speed(stage.router_bias, stage.bias_speed, at, total),
            )
        except NotFinite as error:
            raise UserError(
                f"stage {stage.name!r}, step {rollout.step}, minibatch {number}: {error}; "
                f"that minibatch was not applied, the last good checkpoint is {self.checkpoint}; "
                "a lower optimizer.lr or a smaller clip_high may help"
            ) from error
