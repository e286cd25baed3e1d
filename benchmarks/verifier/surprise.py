"""The policy as its own judge of steps: how little it expected the least likely token so far.

What a process reward model has to beat to be worth its training.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from grpo.eval.steps.cut import Cut
from grpo.eval.steps.model import step_tokens
from grpo.eval.steps.scorer import Thought
from grpo.model.load import quiet_loading
from grpo.train.batches import by_token_budget, padded

TOKENS = 8192


class Surprise:
    """The probability of the thought's least likely token up to each step's end."""

    def __init__(self, folder: Path, cut: Cut) -> None:
        with quiet_loading():
            self._model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self._tokenizer, self._cut = AutoTokenizer.from_pretrained(folder), cut

    def score(self, thoughts: Sequence[Thought]) -> list[tuple[float, ...]]:
        """See the protocol."""
        read = [step_tokens(self._tokenizer, one.prompt, one.text, self._cut) for one in thoughts]
        begins = [self._length(one.prompt) for one in thoughts]
        scores: list[tuple[float, ...]] = [()] * len(read)
        for rows in by_token_budget([len(ids) for ids, _ in read], TOKENS):
            logprobs_RS = self._logprobs([read[row][0] for row in rows])
            for row, logprobs in zip(rows, logprobs_RS.tolist(), strict=True):
                ends = read[row][1]
                scores[row] = tuple(math.exp(min(logprobs[begins[row] : e + 1])) for e in ends)
        return scores

    def _length(self, text: str) -> int:
        ids: Any = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return len(ids)

    def _logprobs(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """[R, S] log-probability of each token given those before it; 0 for the first."""
        ids_RS = padded(rows, 0, torch.long)
        with torch.inference_mode():
            logits_RSV = self._model(input_ids=ids_RS, use_cache=False).logits
        said_RS = logits_RSV[:, :-1].log_softmax(-1).gather(-1, ids_RS[:, 1:, None])[..., 0]
        return torch.cat([torch.zeros(len(rows), 1), said_RS], 1)
