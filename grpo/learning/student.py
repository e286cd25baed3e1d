"""Student, teacher and optimizer of a distill stage: learn from a rollout, save, go on from a save.

The rewards of a rollout, where it has any, are not looked at.
"""

import random
from pathlib import Path

from grpo.errors import UserError
from grpo.metrics import FLOPS
from grpo.model.load import load_model, load_tokenizer
from grpo.model.vocabulary import check_vocabulary
from grpo.objective import ObjectiveBatch, SftObjective
from grpo.recipe.stages import Distill
from grpo.rollout.statistics import token_count, token_counts
from grpo.train.distributed import Share
from grpo.train.flops import over_all
from grpo.train.optim import bias_speed, learning_rate, set_learning_rate
from grpo.train.policy import Policy
from grpo.train.sequences import Sequences
from grpo.train.side import SideLosses
from grpo.train.teacher import Teacher
from grpo.train.update import NotFinite, Update, summary, update
from grpo.types import Rollout
from grpo.workbench.drafts import open_draft
from grpo.workbench.load import LoadLog
from grpo.workbench.trained import Trained
from grpo.workbench.workbench import Workbench

# Nothing is learnt from the tokens that were drawn, but from all that could have been.
MEASURED = SftObjective(hard=0.0)


class Student(Trained):
    """What learns. `step` counts rollouts learnt from.

    Raises UserError where an MTP loss is asked for and the model has no such layers, and where the
    teacher has another vocabulary.
    """

    def __init__(self, stage: Distill, bench: Workbench, parent: Path) -> None:
        super().__init__(stage, bench, parent)
        self._stage = stage
        folder = Path(stage.teacher)
        check_vocabulary(bench.model, self.checkpoint, folder)
        self.tokenizer = load_tokenizer(bench.model, self.checkpoint)
        model = load_model(bench.model, self.checkpoint)
        mtp = open_draft(stage, model, self.checkpoint)
        side = SideLosses(stage.mtp_weight, stage.balance, stage.mtp_detach, stage.expert_balance)
        self.policy = Policy(model, bench.accelerator, stage.optimizer, mtp, side)
        self._load = LoadLog(stage.name, bench, self.policy.watch.layers)
        self._teacher = Teacher(
            load_model(bench.model, folder),
            bench.accelerator,
            direction="reverse",
            temperature=stage.temperature,
        )
        self.go_on(self.policy.optimizer)

    def learn(self, rollout: Rollout) -> dict[str, float]:
        """Every minibatch of the rollout, and what it did."""
        self.step = rollout.step + 1
        self.tokens += token_count(rollout)
        done = [self._update(rollout, n, rows) for n, rows in enumerate(self._dealt(rollout))]
        metrics = self._load.write(rollout.step, [one.load_LE for one in done])
        metrics |= summary(self.policy, done)
        metrics.pop("nll")  # of what was drawn, from which nothing is learnt
        return metrics | {
            "num_tokens": float(self.tokens),
            "num_updates": float(len(done)),
            FLOPS: self._flops(rollout),
        }

    def save(self, score: float | None) -> None:
        """Store everything the run goes on from; `score` ranks the checkpoint."""
        weights = self.policy.weights() | self.policy.draft_weights()
        self.store(self.policy.model, weights, self.policy.optimizer, score)

    def _dealt(self, rollout: Rollout) -> list[list[int]]:
        """The rollout's completions dealt to minibatches at random."""
        rows = list(range(len(token_counts(rollout))))
        random.Random(f"minibatches:{self.bench.recipe.seed}:{rollout.step}").shuffle(rows)
        dealt = [rows[m :: self._stage.minibatches] for m in range(self._stage.minibatches)]
        return [rows for rows in dealt if rows]

    def _update(self, rollout: Rollout, number: int, rows: list[int]) -> Update:
        stage, drawn = self._stage, _sequences(rollout)
        at, total = rollout.step * stage.minibatches + number, stage.steps * stage.minibatches
        set_learning_rate(self.policy.optimizer, learning_rate(stage.optimizer, at, total))
        share = Share.of(rows, self.bench.accelerator)
        sequences = drawn.rows(share.rows)
        mask_BT = sequences.mask_BT & share.counts
        weights_BT = MEASURED.weights(
            mask_BT,
            total_sequences=len(rows),
            total_tokens=sum(len(drawn.completions[row]) for row in rows),
        )
        try:
            return update(
                self.policy,
                sequences,
                ObjectiveBatch(mask_BT, weights_BT),
                MEASURED,
                temperature=stage.sampling.temperature,
                budget=stage.tokens_per_microbatch,
                max_grad_norm=stage.optimizer.max_grad_norm,
                bias_speed=bias_speed(stage.router_bias, stage.bias_speed, at, total),
                teacher=self._teacher,
            )
        except NotFinite as error:
            raise UserError(
                f"stage {stage.name!r}, step {rollout.step}, minibatch {number}: {error}; "
                f"that minibatch was not applied, the last good checkpoint is {self.checkpoint}; "
                "a lower optimizer.lr may help"
            ) from error

    def _flops(self, rollout: Rollout) -> float:
        """FLOPs since the last step: drawing, the gate, the teacher, the updates."""
        spent = self.policy.spent() + self._teacher.spent()
        drawing = self.policy.cost.forward(token_counts(rollout))
        return over_all(self.bench.accelerator, spent) + drawing


def _sequences(rollout: Rollout) -> Sequences:
    """All prompts with their completions."""
    pairs = [(group.prompt_ids, c.token_ids) for group in rollout.groups for c in group.completions]
    return Sequences([prompt for prompt, _ in pairs], [drawn for _, drawn in pairs])
