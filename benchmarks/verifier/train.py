"""A small loop that makes a verifier of a base: a head of two labels (steps) or one (outcomes)."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from grpo.eval.steps.cut import CLAIMS
from grpo.eval.steps.model import LABELS
from grpo.model.load import quiet_loading
from grpo.recipe.sections import Optimizer
from grpo.train.batches import padded
from grpo.train.optim import build_optimizer, learning_rate, set_learning_rate
from verifier.examples import Example


@dataclass(frozen=True)
class Course:
    """How long and how fast it learns. `batch` are examples a step.

    >>> Course(epochs=2, batch=64, lr=5e-4, seed=0)
    """

    epochs: int
    batch: int
    lr: float
    seed: int


def process_model(base: Path) -> Any:
    """The base with a token classifier's head; where its steps end is kept in its config."""
    config = AutoConfig.from_pretrained(base, id2label=dict(enumerate(LABELS)))
    config.step_ends, config.step_holding = list(CLAIMS.ends), CLAIMS.holding
    return _headed(AutoModelForTokenClassification, base, config)


def outcome_model(base: Path) -> Any:
    """The base with a sequence classifier's head of one label."""
    config = AutoConfig.from_pretrained(base, num_labels=1)
    return _headed(AutoModelForSequenceClassification, base, config)


def _headed(kind: Any, base: Path, config: Any) -> Any:
    with quiet_loading():
        return kind.from_pretrained(
            base, config=config, dtype=torch.float32, experts_implementation="eager"
        )


def step_logits(model: Any, ids_BS: Tensor, examples: Sequence[Example]) -> Tensor:
    """[N] log-odds of "right" at the places of all examples."""
    logits_BSL = model(input_ids=ids_BS, use_cache=False).logits
    rows = [row for row, one in enumerate(examples) for _ in one.places]
    places = [place for one in examples for place in one.places]
    wrong_N, right_N = logits_BSL[rows, places].unbind(-1)
    return right_N - wrong_N


def outcome_logits(model: Any, ids_BS: Tensor, examples: Sequence[Example]) -> Tensor:
    """[N] log-odds of being right, one an example; the model finds the last token itself."""
    return model(input_ids=ids_BS, use_cache=False).logits[:, 0]


def train(model: Any, logits_of: Any, examples: Sequence[Example], course: Course) -> list[float]:
    """Fit the log-odds to the labels, in place; the loss of each step, in nats a label."""
    torch.manual_seed(course.seed)
    batches = list(_batches(examples, course))
    knobs = Optimizer(
        lr=course.lr, schedule="cosine", warmup_steps=max(1, len(batches) // 20), weight_decay=0.01
    )
    optimizer, losses = build_optimizer(model.parameters(), knobs), []
    model.train()
    for step, batch in enumerate(batches):
        set_learning_rate(optimizer, learning_rate(knobs, step, len(batches)))
        logits_N = logits_of(model, padded([one.ids for one in batch], 0, torch.long), batch)
        labels_N = torch.tensor([float(label) for one in batch for label in one.labels])
        loss = functional.binary_cross_entropy_with_logits(logits_N, labels_N)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    model.eval()
    return losses


def _batches(examples: Sequence[Example], course: Course) -> Iterator[list[Example]]:
    order = list(range(len(examples)))
    for epoch in range(course.epochs):
        random.Random(f"{course.seed}/{epoch}").shuffle(order)
        for start in range(0, len(order), course.batch):
            yield [examples[place] for place in order[start : start + course.batch]]
