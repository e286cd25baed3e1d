"""Policy, reference and optimizer of one RL stage: learn from a lesson, save, go on from a save."""

from pathlib import Path

from grpo.checkpoint.state import rng_state, set_rng_state
from grpo.checkpoint.store import Checkpoint
from grpo.checkpoint.trainer import TrainerState, load_trainer, save_trainer
from grpo.checkpoint.weights import save_weights
from grpo.errors import UserError
from grpo.model.load import load_draft, load_model, load_tokenizer
from grpo.objective import Stats, merge_stats
from grpo.recipe.stages import Rl
from grpo.rollout.statistics import token_count
from grpo.stages.lesson import Lesson, objective_of
from grpo.stages.workbench import Workbench
from grpo.train.distributed import global_means
from grpo.train.optim import learning_rate, set_learning_rate
from grpo.train.policy import Policy, Reference
from grpo.train.update import NotFinite, Update, update
from grpo.types import Rollout


class Learner:
    """What learns. `step` counts rollouts learnt from; `checkpoint` is the newest folder saved.

    Opens on the stage's newest whole checkpoint, else on `parent`.
    """

    def __init__(self, stage: Rl, bench: Workbench, parent: Path) -> None:
        self._stage, self._bench = stage, bench
        self._store = bench.run.checkpoints(stage.name, stage.checkpoint)
        saved = self._store.latest()
        self.checkpoint = saved.path if saved else parent
        self.step, self.tokens = 0, 0
        self._objective = objective_of(stage)
        self.tokenizer = load_tokenizer(bench.model, self.checkpoint)
        model = load_model(bench.model, self.checkpoint)
        self.policy = Policy(
            model, bench.accelerator, stage.optimizer, load_draft(model, self.checkpoint)
        )
        self.reference = self._open_reference((saved and saved.reference) or parent)
        if saved:
            self._restore(saved)
        else:
            bench.run.metrics.forget(stage.name)

    def learn(self, rollout: Rollout, lesson: Lesson | None) -> dict[str, float]:
        """Every epoch and minibatch of the lesson, and what they did; no lesson, no update."""
        self.step = rollout.step + 1
        self.tokens += token_count(rollout)
        metrics = {"num_tokens": float(self.tokens), "num_updates": 0.0}
        if lesson is None:
            return metrics
        minibatches = lesson.minibatches * self._stage.epochs
        done = [self._update(rollout, lesson, n, rows) for n, rows in enumerate(minibatches)]
        gamma = self._stage.bias_speed if self._stage.router_bias == "update" else 0.0
        violation = self.policy.settle_load(gamma)
        if violation is not None:
            metrics["moe/max_vio"] = violation
        metrics["num_updates"] = float(len(done))
        return metrics | lesson.metrics | self._summary(done)

    def refresh_reference(self) -> None:
        """Replace the reference by the policy where the recipe says so."""
        every = self._stage.reference.refresh_every
        if self.reference is not None and every and self.step % every == 0:
            self.reference.refresh(self.policy)

    def is_due(self, last_step: int) -> bool:
        """Whether this step ends with a checkpoint."""
        return self.step % self._stage.checkpoint.every == 0 or self.step == last_step

    def save(self, metrics_offset: int, score: float | None) -> None:
        """Store everything the run goes on from; `score` ranks the checkpoint."""
        weights = self.policy.weights() | self.policy.draft_weights()
        replaced = self._replaced_reference
        reference = None if replaced is None else replaced.weights()
        trainer = TrainerState(
            state={"step": self.step, "tokens": self.tokens, "metrics_bytes": metrics_offset},
            optimizer=self.policy.optimizer.state_dict(),
            rng=rng_state(),
        )

        def write(folder: Path) -> None:
            model = self.policy.model
            save_weights(folder, weights, model.config, self.tokenizer, model.generation_config)
            save_trainer(folder / "trainer", trainer)
            if reference is not None:
                save_weights(
                    folder / "trainer" / "reference", reference, model.config, self.tokenizer
                )

        if self._bench.accelerator.is_main_process:
            self._store.save(self.step, write, score=score)
        self._bench.accelerator.wait_for_everyone()
        self.checkpoint = self._store.folder(self.step)

    @property
    def _replaced_reference(self) -> Reference | None:
        """The reference, where it is no longer the parent."""
        return self.reference if 0 < self._stage.reference.refresh_every <= self.step else None

    def _open_reference(self, folder: Path) -> Reference | None:
        if self._stage.objective.beta == 0:
            return None
        return Reference(load_model(self._bench.model, folder), self._bench.accelerator)

    def _restore(self, saved: Checkpoint) -> None:
        trainer = load_trainer(saved.trainer)
        self.step, self.tokens = trainer.state["step"], trainer.state["tokens"]
        self.policy.optimizer.load_state_dict(trainer.optimizer)
        set_rng_state(trainer.rng)
        self._bench.run.metrics.rewind(trainer.state["metrics_bytes"])

    def _update(
        self, rollout: Rollout, lesson: Lesson, number: int, rows: tuple[int, ...]
    ) -> Update:
        stage = self._stage
        a_step = stage.minibatches * stage.epochs
        rate = learning_rate(stage.optimizer, rollout.step * a_step + number, stage.steps * a_step)
        set_learning_rate(self.policy.optimizer, rate)
        try:
            return update(
                self.policy,
                lesson.sequences.rows(rows),
                lesson.batch.rows(list(rows)),
                self._objective,
                temperature=stage.sampling.temperature,
                budget=stage.tokens_per_microbatch,
                max_grad_norm=stage.optimizer.max_grad_norm,
            )
        except NotFinite as error:
            raise UserError(
                f"stage {stage.name!r}, step {rollout.step}, minibatch {number}: {error}; "
                f"that minibatch was not applied, the last good checkpoint is {self.checkpoint}; "
                "a lower optimizer.lr or a smaller clip_high may help"
            ) from error

    def _summary(self, done: list[Update]) -> dict[str, float]:
        stats: Stats = merge_stats(one.stats for one in done)
        return {
            "loss": sum(one.loss for one in done) / len(done),
            "grad_norm": sum(one.grad_norm for one in done) / len(done),
            "learning_rate": self.policy.optimizer.param_groups[0]["lr"],
            **global_means(self._bench.accelerator, stats),
        }
