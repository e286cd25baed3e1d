"""What an sft stage tunes: learn from transcripts, look at held-out ones, save, go on."""

from array import array
from collections.abc import Sequence
from pathlib import Path

from grpo.errors import UserError
from grpo.metrics import FLOPS
from grpo.model.load import load_model, load_tokenizer
from grpo.model.vocabulary import check_vocabulary
from grpo.objective import ObjectiveBatch, SftObjective, Stat
from grpo.recipe.stages import Sft
from grpo.train.distributed import Share, global_means
from grpo.train.flops import over_all
from grpo.train.optim import bias_speed, learning_rate, set_learning_rate
from grpo.train.policy import Policy, score
from grpo.train.sequences import Sequences
from grpo.train.side import SideLosses
from grpo.train.teacher import Teacher
from grpo.train.update import NotFinite, Update, update
from grpo.workbench.drafts import open_draft
from grpo.workbench.load import LoadLog
from grpo.workbench.trained import Trained
from grpo.workbench.workbench import Workbench
from grpo_data.conversations import Conversation
from grpo_data.transcript import transcribe

Transcript = tuple[Sequence[int], Sequence[int]]
"""Ids of a prompt and of its completion, which ends with the end token."""


class Tuning(Trained):
    """The policy of an sft stage. `step` counts optimizer steps.

    Raises UserError where an MTP loss is asked for and the model has no such layer, and where the
    teacher has another vocabulary.
    """

    def __init__(self, stage: Sft, bench: Workbench, parent: Path) -> None:
        super().__init__(stage, bench, parent)
        self._stage, self._steps = stage, bench.steps(stage)
        self._rows = len(bench.conversations(stage)[0])
        self.tokenizer = load_tokenizer(bench.model, self.checkpoint)
        model = load_model(bench.model, self.checkpoint)
        mtp = open_draft(stage, model, self.checkpoint)
        side = SideLosses(stage.mtp_weight, stage.balance, expert_balance=stage.expert_balance)
        self.policy = Policy(model, bench.accelerator, stage.optimizer, mtp, side)
        self._load = LoadLog(stage.name, bench, self.policy.watch.layers)
        self._teacher = self._open_teacher()
        self._objective = SftObjective(1.0 - stage.teacher.weight if stage.teacher else 1.0)
        self.go_on(self.policy.optimizer)

    def transcribe(self, conversations: Sequence[Conversation]) -> list[Transcript]:
        """The conversations as ids.

        Raises UserError for one that the model has too few positions for, and ValueError for one
        that the chat template cannot take.
        """
        knobs = self.bench.recipe.prompt
        longest = getattr(self.policy.model.config, "max_position_embeddings", None)
        transcripts: list[Transcript] = []
        for one in conversations:
            prompt, completion = transcribe(
                self.tokenizer, one, system=knobs.system, user=knobs.user, chat=knobs.chat
            )
            if longest is not None and len(prompt) + len(completion) > longest:
                raise UserError(
                    f"stage {self._stage.name!r}: conversation {one.id!r} has "
                    f"{len(prompt) + len(completion)} tokens, and the model has {longest} "
                    "positions; shorten it or leave it out"
                )
            # Four bytes a token where a tuple takes eight and more: all of them stay in memory.
            transcripts.append((array("i", prompt), array("i", completion)))
        return transcripts

    def learn(self, batch: Sequence[Transcript]) -> dict[str, float]:
        """One optimizer step on the completions of `batch`, and what it was like."""
        stage = self._stage
        set_learning_rate(
            self.policy.optimizer, learning_rate(stage.optimizer, self.step, self._steps)
        )
        done = self._update(batch)
        self.step += 1
        self.tokens += sum(len(prompt) + len(completion) for prompt, completion in batch)
        means = global_means(self.bench.accelerator, done.stats)
        return {
            **self._losses(means),
            **means,
            "grad_norm": done.grad_norm,
            "learning_rate": self.policy.optimizer.param_groups[0]["lr"],
            "num_tokens": float(self.tokens),
            "epoch": self.step * stage.batch / self._rows,
            FLOPS: self._flops(),
            **self._load.write(self.step - 1, [done.load_LE]),
        }

    def look(self, held_out: Sequence[Transcript]) -> dict[str, float]:
        """The mean loss of a token held out, in nats; nothing where no look is due."""
        if not self._stage.evaluate_every or self.step % self._stage.evaluate_every:
            return {}
        sequences, counts = self._mine(held_out)
        logprobs_BT = score(
            self.policy.module,
            sequences,
            temperature=1.0,
            budget=self._stage.tokens_per_microbatch,
            device=self.bench.accelerator.device,
        )
        self.policy.spent()  # a look is no part of what training computes
        loss = Stat.over(-logprobs_BT, sequences.mask_BT & counts)
        device = self.bench.accelerator.device
        here = Stat(loss.total.to(device), loss.count.to(device))
        return global_means(self.bench.accelerator, {"eval_loss": here})

    def save(self, metrics: dict[str, float]) -> None:
        """Store everything the run goes on from; the lower the held-out loss, the better."""
        weights = self.policy.weights() | self.policy.draft_weights()
        best = -metrics["eval_loss"] if "eval_loss" in metrics else None
        self.store(self.policy.model, weights, self.policy.optimizer, best)

    def _open_teacher(self) -> Teacher | None:
        knobs = self._stage.teacher
        if knobs is None:
            return None
        folder = Path(knobs.path)
        check_vocabulary(self.bench.model, self.checkpoint, folder)
        return Teacher(
            load_model(self.bench.model, folder),
            self.bench.accelerator,
            direction="forward",
            temperature=knobs.temperature,
            weight=knobs.weight,
            scale=knobs.temperature**2,
            name="soft_loss",
        )

    def _losses(self, means: dict[str, float]) -> dict[str, float]:
        """What is minimised, and what it is made of where a teacher has a part in it."""
        nll = means.pop("nll")
        if self._stage.teacher is None:
            return {"loss": nll}
        soft, weight = means.pop("soft_loss"), self._stage.teacher.weight
        return {"loss": weight * soft + (1.0 - weight) * nll, "nll": nll, "soft_loss": soft}

    def _flops(self) -> float:
        """FLOPs since the last call, the teacher's among them."""
        spent = self.policy.spent() + (self._teacher.spent() if self._teacher else 0)
        return over_all(self.bench.accelerator, spent)

    def _mine(self, batch: Sequence[Transcript]) -> tuple[Sequences, bool]:
        """This process's share of a batch, and whether it counts."""
        share = Share.of(range(len(batch)), self.bench.accelerator)
        mine = [batch[row] for row in share.rows]
        prompts, completions = ([one[side] for one in mine] for side in (0, 1))
        return Sequences(prompts, completions, self._stage.packing), share.counts

    def _update(self, batch: Sequence[Transcript]) -> Update:
        stage = self._stage
        sequences, counts = self._mine(batch)
        mask_BT = sequences.mask_BT & counts
        weights_BT = self._objective.weights(
            mask_BT,
            total_sequences=len(batch),
            total_tokens=sum(len(completion) for _, completion in batch),
        )
        try:
            return update(
                self.policy,
                sequences,
                ObjectiveBatch(mask_BT, weights_BT),
                self._objective,
                temperature=1.0,
                budget=stage.tokens_per_microbatch,
                max_grad_norm=stage.optimizer.max_grad_norm,
                bias_speed=bias_speed(stage.router_bias, stage.bias_speed, self.step, self._steps),
                hits=True,
                teacher=self._teacher,
            )
        except NotFinite as error:
            raise UserError(
                f"stage {stage.name!r}, step {self.step}: {error}; that step was not taken, "
                f"the last good checkpoint is {self.checkpoint}; a lower optimizer.lr may help"
            ) from error
