"""Pretraining of a tiny model from nothing: next token, the token after, balanced experts.

Every document is read once. There is no dropout and no packing: a row is one document.
"""

from itertools import chain
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from grpo.checkpoint.signals import StopRequest
from grpo.errors import Stopped, UserError
from grpo.learning.corpus import TOKENIZER_DOCUMENTS, batches, document_texts, encode
from grpo.metrics import FLOPS
from grpo.model.balance import RouterWatch, move_biases
from grpo.model.deepseek import build_config, build_model
from grpo.model.llama import build_llama
from grpo.model.load import load_draft, load_model, load_tokenizer
from grpo.model.mtp import Mtp
from grpo.model.names import checkpoint_tensors
from grpo.model.tokenizer import train_tokenizer
from grpo.recipe.stages import Pretrain
from grpo.run.named import outside
from grpo.timing import Stopwatch
from grpo.train.batches import padded
from grpo.train.flops import WITH_BACKWARD, ForwardCost
from grpo.train.optim import bias_speed, build_optimizer, learning_rate, set_learning_rate
from grpo.workbench.load import LoadLog
from grpo.workbench.logbook import Logbook
from grpo.workbench.trained import Trained
from grpo.workbench.workbench import Workbench
from grpo_data.world.corpus import Document, documents


def run_pretrain(stage: Pretrain, bench: Workbench, last_step: int) -> Path:
    """Pretrain up to step `last_step`; the folder of the last checkpoint."""
    watch = Stopwatch()
    pretraining = Pretraining(stage, bench)
    with (
        Logbook(stage, bench, pretraining.step, last_step) as logbook,
        StopRequest() as stop,
    ):
        while pretraining.step < last_step:
            metrics = pretraining.learn()
            logbook.write(pretraining.step - 1, metrics | watch.take())
            if pretraining.is_due(last_step) or stop.requested:
                pretraining.save()
            if stop.requested:
                raise Stopped(
                    f"stopped after step {pretraining.step} of {stage.steps} of {stage.name!r}"
                )
    return pretraining.checkpoint


class Pretraining(Trained):
    """Model, MTP layers, optimizer, corpus; opens on the newest checkpoint, else from nothing."""

    def __init__(self, stage: Pretrain, bench: Workbench) -> None:
        super().__init__(stage, bench, parent=bench.run.root)  # there is nothing to begin from
        self._stage = stage
        seed = bench.recipe.seed
        corpus = list(documents(seed, stage.documents, bench.recipe.data.held_out))
        if self.saved:
            self.tokenizer = load_tokenizer(bench.model, self.checkpoint)
            self.model = load_model(bench.model, self.checkpoint)
            self.mtp = load_draft(self.model, self.checkpoint)
        else:
            torch.manual_seed(seed)
            self.tokenizer = self._new_tokenizer(corpus)
            self.model = self._new_model()
            has_mtp = stage.llama is None and stage.architecture.mtp_layers
            self.mtp = Mtp(self.model) if has_mtp else None
        modules = [self.model, *([self.mtp] if self.mtp else [])]
        self._parameters = list(chain.from_iterable(m.parameters() for m in modules))
        for parameter in self._parameters:
            parameter.requires_grad_(True)
        self._optimizer = build_optimizer(self._parameters, stage.optimizer)
        self._watch = RouterWatch(
            *modules, with_balance=True, with_expert_balance=stage.expert_balance > 0
        )
        self._load = LoadLog(stage.name, bench, self._watch.layers)
        self._cost = ForwardCost.of(self.model)
        if self.mtp is not None:
            self._cost += ForwardCost.of_draft(self.mtp, self.model)
        self._documents = encode(self.tokenizer, corpus)
        lengths = [len(ids) for ids in self._documents]
        self._batches = batches(lengths, steps=stage.steps, budget=stage.tokens_per_step, seed=seed)
        self.go_on(self._optimizer)

    def learn(self) -> dict[str, float]:
        """One optimizer step on the next batch, and what it was like."""
        stage = self._stage
        rows = [self._documents[i] for i in self._batches[self.step]]
        ids_BT = padded(rows, self.tokenizer.pad_token_id, torch.long)
        real_BT = padded([[1] * len(row) for row in rows], 0, torch.bool)
        with self._watch.watching(real_BT):
            hidden_BTD = self.model.model(ids_BT, use_cache=False).last_hidden_state
            further = self._further(hidden_BTD, ids_BT)
        metrics = {"loss": self._cross_entropy(hidden_BTD, ids_BT, real_BT, ahead=1)}
        total = metrics["loss"] + stage.balance * self._watch.balance
        total = total + stage.expert_balance * self._watch.expert_balance
        if further:
            metrics |= self._mtp_losses(further, ids_BT, real_BT)
            total = total + stage.mtp_weight * metrics["mtp_loss"]
        metrics["grad_norm"] = self._descend(total)
        self.tokens += int(real_BT.sum())
        self.step += 1
        return {name: value.item() for name, value in metrics.items()} | {
            **self._settle_load(),
            "learning_rate": self._optimizer.param_groups[0]["lr"],
            "num_tokens": float(self.tokens),
            FLOPS: float(WITH_BACKWARD * self._cost.forward(map(len, rows))),
        }

    def save(self) -> None:
        """Store weights, MTP layers and all that the run goes on from."""
        self.store(self.model, checkpoint_tensors(self.model, mtp=self.mtp), self._optimizer)

    def _further(self, hidden_BTD: Tensor, ids_BT: Tensor) -> list[Tensor]:
        """The states of the MTP layers, by depth."""
        if self.mtp is None:
            return []
        ahead_KBT = [ids_BT.roll(-k, 1) for k in range(1, self.mtp.depth + 1)]
        states: list[Tensor] = self.mtp(self.model, hidden_BTD, ahead_KBT)
        return states

    def _mtp_losses(
        self, further: list[Tensor], ids_BT: Tensor, real_BT: Tensor
    ) -> dict[str, Tensor]:
        """V3 eq. 25 before lambda, the mean over depths; where there are several, each's own."""
        losses = {
            f"mtp_loss/{k}": self._cross_entropy(states_BTD, ids_BT, real_BT, ahead=k + 1)
            for k, states_BTD in enumerate(further, start=1)
        }
        mean = torch.stack(list(losses.values())).mean()
        return {"mtp_loss": mean} | (losses if len(losses) > 1 else {})

    def _cross_entropy(self, hidden: Tensor, ids: Tensor, real: Tensor, *, ahead: int) -> Tensor:
        """Mean over real targets of -log p(token i + ahead | hidden state i)."""
        there = real[:, ahead:]
        logits = self.model.lm_head(hidden[:, :-ahead][there])
        return F.cross_entropy(logits, ids[:, ahead:][there])

    def _descend(self, loss: Tensor) -> Tensor:
        knobs = self._stage.optimizer
        set_learning_rate(self._optimizer, learning_rate(knobs, self.step, self._stage.steps))
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, knobs.max_grad_norm)
        if not torch.isfinite(norm):
            raise UserError(
                f"stage {self._stage.name!r}, step {self.step}: the gradient is not finite; "
                "lower optimizer.lr"
            )
        self._optimizer.step()
        self._optimizer.zero_grad()
        return norm

    def _settle_load(self) -> dict[str, float]:
        """Move the router biases; how even the load was. Nothing for a dense model."""
        watch, stage, done = self._watch, self._stage, self.step - 1
        if not watch.routers:
            return {}
        move_biases(
            watch,
            bias_speed(stage.router_bias, stage.bias_speed, done, stage.steps, stage.bias_still),
        )
        metrics = self._load.write(done, [watch.load_LE])
        watch.reset()
        losses = {"balance_loss": watch.balance, "expert_balance_loss": watch.expert_balance}
        return metrics | {
            name: float(loss.detach()) for name, loss in losses.items() if isinstance(loss, Tensor)
        }

    def _new_tokenizer(self, corpus: list[Document]) -> PreTrainedTokenizerBase:
        if self._stage.tokenizer is not None:
            return load_tokenizer(self.bench.model, outside(self._stage.tokenizer))
        texts = document_texts(corpus[:TOKENIZER_DOCUMENTS])
        return train_tokenizer(texts, self._stage.vocab_size)

    def _new_model(self) -> PreTrainedModel:
        tokens = {
            "vocab_size": len(self.tokenizer),
            "end": self.tokenizer.eos_token_id,
            "pad": self.tokenizer.pad_token_id,
        }
        if self._stage.llama is not None:
            return build_llama(self._stage.llama, **tokens)
        config = build_config(self._stage.architecture, **tokens)
        config.architectures = ["DeepseekV3ForCausalLM"]
        return build_model(config)
