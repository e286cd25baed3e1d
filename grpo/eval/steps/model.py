"""A trained process reward model: a token classifier read at the end of each step.

Any of transformers' AutoModelForTokenClassification with two labels, wrong and right. Where its
steps end stands in its config (`step_ends`, `step_holding`), else they are paragraphs. Models that
answer in words, and heads of their own, are not read.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

from grpo.errors import UserError
from grpo.eval.steps.cut import PARAGRAPHS, Cut
from grpo.eval.steps.scorer import Thought
from grpo.model.load import quiet_loading
from grpo.train.batches import by_token_budget, padded

LABELS = ("wrong", "right")
TOKENS = 8192
"""Padded tokens that are read at once."""


class ProcessRewardModel:
    """The chance of "right" at the last token of each step.

    The thought is read after the prompt's very text, so the model should have the policy's
    tokenizer and have seen its prompts. `device` is torch's name, "auto" a GPU where there is one.
    """

    def __init__(self, folder: Path, device: str = "auto", tokens: int = TOKENS) -> None:
        """Raises UserError for a folder without such a model, or with another one."""
        auto = "cuda" if torch.cuda.is_available() else "cpu"
        self._model = _load(folder).to(auto if device == "auto" else device).eval()
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._name, self._tokens = folder.name, tokens
        self.cut = cut_of(self._model.config)

    def score(self, thoughts: Sequence[Thought]) -> list[tuple[float, ...]]:
        """See the protocol. Raises UserError for a thought longer than the model's window."""
        read = [self._read(thought) for thought in thoughts]
        scores: list[tuple[float, ...]] = [()] * len(read)
        with_steps = [number for number, (_, places) in enumerate(read) if places]
        lengths = [len(read[number][0]) for number in with_steps]
        for group in by_token_budget(lengths, self._tokens):
            rows = [with_steps[place] for place in group]
            right_RS = self._right([read[row][0] for row in rows])
            for chances, row in zip(right_RS.tolist(), rows, strict=True):
                scores[row] = tuple(chances[place] for place in read[row][1])
        return scores

    def _read(self, thought: Thought) -> tuple[list[int], list[int]]:
        ids, places = step_tokens(self._tokenizer, thought.prompt, thought.text, self.cut)
        window = getattr(self._model.config, "max_position_embeddings", None)
        if window and len(ids) > window:
            raise UserError(
                f"a thought of {len(ids):,} tokens with its prompt does not fit into the "
                f"{window:,} that {self._name} reads; score by another model"
            )
        return ids, places

    def _right(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """[R, S] chances of "right" after each token; what is padding is unread."""
        ids_RS = padded(rows, 0, torch.long).to(self._model.device)
        with torch.inference_mode():
            logits_RSL = self._model(input_ids=ids_RS, use_cache=False).logits.float()
        return logits_RSL.softmax(-1)[..., LABELS.index("right")]


def step_tokens(tokenizer: Any, prompt: str, text: str, cut: Cut) -> tuple[list[int], list[int]]:
    """The ids of prompt and text, and the place of each step's last token among them."""
    encoded = tokenizer(prompt + text, add_special_tokens=False, return_offsets_mapping=True)
    begins = [first for first, _ in encoded["offset_mapping"]]
    places, token = [], 0
    for _, end in cut.spans(text):
        # A character of several tokens gives each of them its own first place: the last counts.
        while token < len(begins) and begins[token] < len(prompt) + end:
            token += 1
        places.append(token - 1)
    return list(encoded["input_ids"]), places


def cut_of(config: Any) -> Cut:
    """Where a model's steps end."""
    ends = getattr(config, "step_ends", None)
    if not ends:
        return PARAGRAPHS
    return replace(PARAGRAPHS, ends=tuple(ends), holding=getattr(config, "step_holding", ""))


def _load(folder: Path) -> Any:
    try:
        with quiet_loading():
            model, found = AutoModelForTokenClassification.from_pretrained(
                folder, dtype=torch.float32, output_loading_info=True
            )
    except (OSError, ValueError) as error:
        why = str(error).strip().partition("\n")[0]
        raise UserError(f"{folder} holds no process reward model: {why}") from error
    if model.config.num_labels != len(LABELS):
        raise UserError(
            f"{folder} is no process reward model: its head has {model.config.num_labels} labels, "
            f"not {' and '.join(LABELS)}"
        )
    if missing := sorted(found["missing_keys"]):
        raise UserError(
            f"{folder} is no process reward model: it lacks {', '.join(missing)}, so its scores "
            "are untrained"
        )
    return model
