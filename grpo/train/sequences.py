"""Prompts with their completions as the trainer reads them.

Rows are padded on the right and given to the model without a mask: a causal model never looks
right, so the padding cannot reach what is in front of it. Where several sequences share a row
their positions begin anew, and by that transformers keeps them apart. Where completions share their
prompt one row holds everything, and a table says what each sequence consists of (model/sharing.py).
"""

# B = sequences (a prompt and its completion), R = rows, S = tokens of the longest row,
# T = completion tokens of the longest completion, L = layers with routed experts,
# K = experts a token takes in a layer, M = tokens of the longest sequence

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence

from grpo.train.batches import by_token_budget, into_rows, padded
from grpo.train.families import families, in_a_row

Rows = Sequence[Sequence[int]]
"""Sequences by their number, as rows hold them: [[4, 0], [2]]. Where prompts are shared, each is
the sequences of one prompt, and all stand in one row."""


@dataclass(frozen=True)
class Inputs:
    """One micro-batch on its device.

    `real_RS` is no padding; `positions_RS` is None where every row holds one sequence. A sequence
    stands in row `row_B`, its prompt ends there at `before_B` and its completion begins at
    `first_B`; `prompt_B` and `lengths` are its tokens. `experts_RSLK` are those a sampler chose for
    each token, -1 where it read none; None where no choice is known. `pieces_BM` are the places in
    the one row of each sequence's tokens; None where no prompt is shared.

    >>> Inputs(ids_RS=tensor([[5, 6, 7, 8]]), real_RS=tensor([[True, True, True, True]]),
    ...        positions_RS=None, lengths=(4,), row_B=tensor([0]), before_B=tensor([1]),
    ...        first_B=tensor([2]), prompt_B=tensor([2]), targets_BT=tensor([[7, 8]]),
    ...        mask_BT=tensor([[True, True]]))
    """

    ids_RS: Tensor
    real_RS: Tensor
    positions_RS: Tensor | None
    lengths: tuple[int, ...]
    row_B: Tensor
    before_B: Tensor
    first_B: Tensor
    prompt_B: Tensor
    targets_BT: Tensor
    mask_BT: Tensor
    experts_RSLK: Tensor | None = None
    pieces_BM: Tensor | None = None

    def ahead_RS(self, k: int) -> Tensor:
        """The token `k` places after each; 0 behind a sequence's last, whatever stands there in
        the row."""
        ahead_RS = self.ids_RS.roll(-k, 1)
        end_B = self.first_B + self.mask_BT.sum(1)
        start_B = self.first_B - self.prompt_B
        for back in range(1, k + 1):
            ahead_RS[self.row_B, torch.maximum(end_B - back, start_B)] = 0
        return ahead_RS

    def reached_BT(self, k: int) -> Tensor:
        """Completion tokens with more than `k` tokens before them: what MTP module k predicts."""
        place_BT = self.prompt_B[:, None] + torch.arange(
            self.mask_BT.shape[1], device=self.mask_BT.device
        )
        return self.mask_BT & (place_BT > k)


@dataclass(frozen=True)
class Sequences:
    """B prompts, each with one completion, as ids; several share a row of `packing` tokens.

    With `packing` 0 each has a row of its own. `experts` are those a sampler chose for the tokens
    of each but its last, [tokens - 1, L, K]; None where no choice is known. With `shared` a prompt
    is read once for all its completions, by a model that can (model/sharing.py); that goes
    with neither.

    >>> Sequences(prompts=[(5, 6)], completions=[(7, 8)], packing=256)
    """

    prompts: Sequence[Sequence[int]]
    completions: Sequence[Sequence[int]]
    packing: int = 0
    experts: Sequence[Tensor] | None = None
    shared: bool = False

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
        """These sequences alone."""
        return Sequences(
            [self.prompts[i] for i in rows],
            [self.completions[i] for i in rows],
            self.packing,
            self.experts and [self.experts[i] for i in rows],
            self.shared,
        )

    def microbatches(self, budget: int) -> list[Rows]:
        """Rows in groups of at most `budget` padded tokens, longest first."""
        lengths = self.lengths
        if self.shared:
            return [*families(self.prompts, lengths, budget)]
        rows = into_rows(lengths, self.packing)
        tokens = [sum(lengths[i] for i in row) for row in rows]
        return [[rows[r] for r in group] for group in by_token_budget(tokens, budget)]

    def inputs(self, rows: Rows, device: torch.device) -> Inputs:
        """The rows as tensors, their sequences in the order they stand in (`order_of`); T is that
        of the longest completion among them. Padding is id 0, unread."""
        if self.shared:
            return self._shared(rows, device)
        held = self.rows(order_of(rows))
        pieces = [[(*self.prompts[i], *self.completions[i]) for i in row] for row in rows]
        ids = [[*chain(*row)] for row in pieces]
        places = [[place for piece in row for place in range(len(piece))] for row in pieces]
        starts = [start for row in pieces for start in accumulate(map(len, row[:-1]), initial=0)]
        prompt_B = torch.tensor([len(prompt) for prompt in held.prompts])
        first_B = torch.tensor(starts) + prompt_B
        return Inputs(
            padded(ids, 0, torch.long).to(device),
            padded([[1] * len(row) for row in ids], 0, torch.bool).to(device),
            padded(places, 0, torch.long).to(device) if len(rows) < len(held) else None,
            tuple(held.lengths),
            torch.tensor([r for r, row in enumerate(rows) for _ in row]).to(device),
            (first_B - 1).to(device),
            first_B.to(device),
            prompt_B.to(device),
            padded(held.completions, 0, torch.long).to(device),
            held.mask_BT.to(device),
            self._experts_RSLK(rows, device),
        )

    def _shared(self, rows: Rows, device: torch.device) -> Inputs:
        held = self.rows(order_of(rows))
        row = in_a_row(rows, self.prompts, self.completions)
        ids_RS = torch.tensor([row.ids])
        return Inputs(
            ids_RS.to(device),
            torch.ones_like(ids_RS, dtype=torch.bool).to(device),
            torch.tensor([row.places]).to(device),
            tuple(held.lengths),
            torch.zeros(len(held), dtype=torch.long).to(device),
            torch.tensor(row.befores).to(device),
            torch.tensor(row.firsts).to(device),
            torch.tensor([len(prompt) for prompt in held.prompts]).to(device),
            padded(held.completions, 0, torch.long).to(device),
            held.mask_BT.to(device),
            pieces_BM=padded(row.pieces, 0, torch.long).to(device),
        )

    def _experts_RSLK(self, rows: Rows, device: torch.device) -> Tensor | None:
        """Each row's experts, one sequence after the other, -1 at the last token of each."""
        if not self.experts:
            return None
        known = [
            [pad(self.experts[i].short(), (0, 0, 0, 0, 0, 1), value=-1) for i in row]
            for row in rows
        ]
        joined = [torch.cat(row) for row in known]
        return pad_sequence(joined, batch_first=True, padding_value=-1).to(device)


def order_of(rows: Rows) -> list[int]:
    """The sequences of `rows`, row after row."""
    return [number for row in rows for number in row]
