"""How the losses of a batch's tokens become one number: a weight for every token.

Leaves out the sum itself. The weights are taken once over a whole update batch, before it is split;
its loss is then the SUM, over any split into micro-batches or ranks, of
`(weights_BT * token_loss_BT).sum()`, and no later step divides by anything again. (Where a wrapper
averages gradients over ranks, as DDP does, multiply the loss by their number to undo it.)
"""

# Shapes: B completions, T tokens of the longest one; mask_BT is 1 on completion tokens.

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from grpo.objective.tables import pick


class Weigher(Protocol):
    """Token weights from the 0/1 mask (as float) and the totals of the update batch."""

    def __call__(
        self, mask_BT: Tensor, *, sequences: float, tokens: float, longest: int
    ) -> Tensor: ...


def token_weights(
    mask_BT: Tensor,
    *,
    aggregation: str,
    total_sequences: float,
    total_tokens: float,
    max_completion_length: int,
) -> Tensor:
    """weights_BT in float32, 0 outside the mask.

    With n = total_sequences, |o| the masked tokens of a token's own completion and L =
    max_completion_length, a token weighs

    - "sequence_mean": 1 / (n |o|), the mean of each completion's mean (GRPO, GSPO): a token of a
      long completion counts less;
    - "token_mean": 1 / total_tokens, the mean over all tokens (DAPO, CISPO);
    - "constant": 1 / (n L), a divisor no length can move (Dr. GRPO).

    The totals are those of the whole update batch: all micro-batches on all ranks, and completions
    of dead groups too where these are skipped, since skipping must not raise the others' weight.
    """
    weigh = pick(AGGREGATIONS, aggregation, knob="aggregation")
    return weigh(
        mask_BT.float(),
        sequences=max(total_sequences, 1),
        tokens=max(total_tokens, 1),
        longest=max_completion_length,
    )


def _sequence_mean(mask_BT: Tensor, *, sequences: float, tokens: float, longest: int) -> Tensor:
    return mask_BT / (mask_BT.sum(dim=1, keepdim=True).clamp(min=1) * sequences)


def _token_mean(mask_BT: Tensor, *, sequences: float, tokens: float, longest: int) -> Tensor:
    return mask_BT / tokens


def _constant(mask_BT: Tensor, *, sequences: float, tokens: float, longest: int) -> Tensor:
    return mask_BT / (sequences * longest)


AGGREGATIONS: Mapping[str, Weigher] = {
    "sequence_mean": _sequence_mean,
    "token_mean": _token_mean,
    "constant": _constant,
}
