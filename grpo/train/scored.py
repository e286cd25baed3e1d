"""A causal LM that answers with the log-probabilities of given completions, never with logits."""

# B = sequences (prompt and completion), R = rows, S = tokens of a row, T = completion tokens,
# N = all of them, D = width

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from grpo.model.mtp import MtpLayer
from grpo.objective import chunked_logprobs
from grpo.train.sequences import Inputs


class Scores(NamedTuple):
    """What the model says of each completion token; 0 outside the mask.

    `hits_BT` is 1 where no token is likelier. `further_BT` are the MTP layer's log-probabilities,
    0 where it reaches no token; None without such a layer.

    >>> Scores(logprobs_BT=tensor([[-0.7, -1.2]]), entropy_BT=tensor([[0.9, 1.1]]),
    ...        hits_BT=tensor([[1.0, 0.0]]), further_BT=None)
    """

    logprobs_BT: Tensor
    entropy_BT: Tensor
    hits_BT: Tensor
    further_BT: Tensor | None


class ScoredLM(nn.Module):
    """Wraps a model, and an MTP layer that is trained with it, so that its forward ends in
    log-probabilities.

    The head runs inside this forward, where sharded parameters are gathered, and a chunk of
    tokens at a time, so [all tokens, vocabulary] is never held. Models that scale their logits
    after the head are not for it: the parity gate stops such a run at its first step.
    """

    def __init__(self, model: PreTrainedModel, mtp: MtpLayer | None = None) -> None:
        super().__init__()
        self.model = model
        self.mtp = mtp

    def forward(
        self,
        inputs: Inputs,
        *,
        temperature: float,
        entropy: bool = True,
        entropy_grad: bool = False,
        hits: bool = False,
        further: bool = False,
    ) -> Scores:
        """The completions' scores at `temperature`, in nats; the MTP layer's where `further`.

        Without `entropy`, or without `hits`, these are NaN inside the mask: a pass over the
        vocabulary is spared.
        """
        backbone = getattr(self.model, self.model.base_model_prefix)
        # Positions only where they say something: given any, transformers looks for packed rows.
        told = {} if inputs.positions_RS is None else {"position_ids": inputs.positions_RS}
        hidden_RSD = backbone(input_ids=inputs.ids_RS, use_cache=False, **told).last_hidden_state
        logprobs_BT, entropy_BT, hits_BT = self._said(
            hidden_RSD,
            inputs,
            inputs.mask_BT,
            ahead=1,
            temperature=temperature,
            entropy=entropy,
            entropy_grad=entropy_grad,
            hits=hits,
        )
        further_BT = self._further(hidden_RSD, inputs, temperature) if further else None
        return Scores(logprobs_BT, entropy_BT, hits_BT, further_BT)

    def _further(self, hidden_RSD: Tensor, inputs: Inputs, temperature: float) -> Tensor:
        """The MTP layer's log-probabilities of what it reaches."""
        assert self.mtp is not None, "only a policy that trains an MTP layer asks for it"
        further_RSD = self.mtp(self.model, hidden_RSD, inputs.next_RS, inputs.positions_RS)
        logprobs_BT, *_ = self._said(
            further_RSD, inputs, inputs.reached_BT, ahead=2, temperature=temperature, entropy=False
        )
        return logprobs_BT

    def _said(
        self, hidden_RSD: Tensor, inputs: Inputs, mask_BT: Tensor, *, ahead: int, **asked: Any
    ) -> list[Tensor]:
        """Log-probabilities, entropies and hits [B, T] where `mask_BT`, by the states that stand
        `ahead` tokens before."""
        owner_N, column_N = mask_BT.nonzero(as_tuple=True)
        state_N = inputs.first_B[owner_N] + column_N - ahead
        head = self.model.get_output_embeddings()
        scores = chunked_logprobs(
            hidden_RSD[inputs.row_B[owner_N], state_N],
            head.weight,
            inputs.targets_BT[mask_BT],
            bias=head.bias,
            **asked,
        )
        return [_spread(values_N, mask_BT) for values_N in scores]


def _spread(values_N: Tensor, mask_BT: Tensor) -> Tensor:
    out_BT = torch.zeros(mask_BT.shape, dtype=values_N.dtype, device=values_N.device)
    return out_BT.masked_scatter(mask_BT, values_N)
