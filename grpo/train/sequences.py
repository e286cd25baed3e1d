"""Prompts with their completions as the trainer reads them.

Rows are padded on the right and given to the model without a mask: a causal model never looks
right, so the padding cannot reach what is in front of it.
"""

# B = completions, S = prompt and completion, T = completion tokens of the longest

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from grpo.train.batches import by_token_budget, padded


@dataclass(frozen=True)
class Inputs:
    """One micro-batch on its device; `first_B` is the completion's place, `real_BS` no padding.

    >>> Inputs(ids_BS=tensor([[5, 6, 7, 8]]), real_BS=tensor([[True, True, True, True]]),
    ...        first_B=tensor([2]), targets_BT=tensor([[7, 8]]), mask_BT=tensor([[True, True]]))
    """

    ids_BS: Tensor
    real_BS: Tensor
    first_B: Tensor
    targets_BT: Tensor
    mask_BT: Tensor


@dataclass(frozen=True)
class Sequences:
    """B prompts, each with one completion, as ids.

    >>> Sequences(prompts=[(5, 6)], completions=[(7, 8)])
    """

    prompts: Sequence[Sequence[int]]
    completions: Sequence[Sequence[int]]

    def __len__(self) -> int:
        return len(self.completions)

    @property
    def lengths(self) -> list[int]:
        """Tokens of prompt and completion together."""
        return [len(p) + len(c) for p, c in zip(self.prompts, self.completions, strict=True)]

    @property
    def mask_BT(self) -> Tensor:
        """True on completion tokens, [B, T]."""
        return padded([[1] * len(c) for c in self.completions], 0, torch.bool)

    def rows(self, rows: Sequence[int]) -> "Sequences":
        """These rows alone."""
        return Sequences([self.prompts[i] for i in rows], [self.completions[i] for i in rows])

    def microbatches(self, budget: int) -> list[list[int]]:
        """Row indices in groups of at most `budget` padded tokens, longest first."""
        return by_token_budget(self.lengths, budget)

    def inputs(self, rows: Sequence[int], device: torch.device) -> Inputs:
        """The rows as tensors; T is that of the longest among them. Padding is id 0, unread."""
        prompts = [self.prompts[i] for i in rows]
        completions = [self.completions[i] for i in rows]
        together = [[*p, *c] for p, c in zip(prompts, completions, strict=True)]
        return Inputs(
            padded(together, 0, torch.long).to(device),
            padded([[1] * len(row) for row in together], 0, torch.bool).to(device),
            torch.tensor([len(p) for p in prompts]).to(device),
            padded(completions, 0, torch.long).to(device),
            padded([[1] * len(c) for c in completions], 0, torch.bool).to(device),
        )
