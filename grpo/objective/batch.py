"""What an objective is handed with the log-probabilities, and what an update loop may ask of it.

Leaves out token ids and hidden states: an objective never sees the model, so that one update loop
serves any of them.
"""

# Shapes: B completions, T tokens of the longest one; mask_BT is 1 on completion tokens.

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol, Self, TypeVar

import torch
from torch import Tensor

from grpo.objective.stats import Stats


@dataclass(frozen=True)
class ObjectiveBatch:
    """The tokens that count and how much each does: all that every objective needs.

    `weights_BT` are the objective's own `weights` of the whole update batch, 0 outside the mask.

    >>> ObjectiveBatch(mask_BT=tensor([[1, 1, 1], [1, 0, 0]]),
    ...                weights_BT=tensor([[0.25, 0.25, 0.25], [0.25, 0.0, 0.0]]))
    """

    mask_BT: Tensor
    weights_BT: Tensor

    def rows(self, rows: Sequence[int] | Tensor | slice, length: int | None = None) -> Self:
        """These completions alone, cut to `length` tokens: a micro-batch of the update batch."""
        parts: dict[str, Any] = {
            field.name: _rows(getattr(self, field.name), rows, length) for field in fields(self)
        }
        return type(self)(**parts)

    def to(self, device: torch.device) -> Self:
        """The batch with its tensors on `device`."""
        parts: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        return type(self)(**{k: None if v is None else v.to(device) for k, v in parts.items()})


@dataclass(frozen=True)
class PolicyBatch(ObjectiveBatch):
    """What a policy objective needs besides; all of it fixed before the update begins.

    `old_logprobs_BT`: the trainer's, of the policy that sampled, at the sampling temperature;
    None, or NaN in a completion, where the policy is still that one (one update a rollout), which
    spares a forward.
    `advantages_B`: one a completion, or [B, T]. `ref_logprobs_BT`: the reference's, for the KL.
    `correction_BT`: from `importance_weights`; None for none.

    >>> PolicyBatch(mask_BT=tensor([[1, 1]]), weights_BT=tensor([[0.5, 0.5]]),
    ...             old_logprobs_BT=tensor([[-0.7, -1.2]]), advantages_B=tensor([0.9]),
    ...             ref_logprobs_BT=tensor([[-0.8, -1.1]]), correction_BT=None)
    """

    old_logprobs_BT: Tensor | None
    advantages_B: Tensor
    ref_logprobs_BT: Tensor | None = None
    correction_BT: Tensor | None = None


Batch = TypeVar("Batch", bound=ObjectiveBatch, contravariant=True)


class Objective(Protocol[Batch]):
    """What an update loop minimises, and all it knows of it.

    Call `weights` once on the update batch, split, and call the objective on every part: the sum
    of the losses (and of their gradients) is the update batch's, whatever the split.
    """

    @property
    def entropy_grad(self) -> bool:
        """Whether the loss needs the entropy's gradient (`chunked_logprobs(entropy_grad=...)`)."""

    def weights(self, mask_BT: Tensor, *, total_sequences: float, total_tokens: float) -> Tensor:
        """weights_BT for the batch; the totals are of the whole update batch, on all ranks."""

    def __call__(
        self, logprobs_BT: Tensor, entropy_BT: Tensor, batch: Batch
    ) -> tuple[Tensor, Stats]:
        """The part's share of the loss (scalar, gradient attached) and its detached stats."""


def _rows(
    value: Tensor | None, rows: Sequence[int] | Tensor | slice, length: int | None
) -> Tensor | None:
    if value is None:
        return None
    # Indexed by a tuple, a tensor would take it for one index a dimension.
    chosen = value[list(rows) if isinstance(rows, Sequence) else rows]
    return chosen if chosen.dim() == 1 else chosen[:, :length]
