"""A causal LM that answers with the log-probabilities of given completions, never with logits."""

# B = sequences (prompt and completion), R = rows, S = tokens of a row, T = completion tokens,
# N = all of them, D = width, K = MTP layers

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from grpo.model.mtp import Mtp
from grpo.model.replay import RouterReplay
from grpo.model.sharing import table_of
from grpo.objective import Side, chunked_kl, chunked_logprobs
from grpo.train.flops import ForwardCost, Spent
from grpo.train.sequences import Inputs


class Scores(NamedTuple):
    """What the model says of each completion token; 0 outside the mask.

    `hits_BT` is 1 where no token is likelier. `further_KBT` are the MTP layers' log-probabilities,
    0 where one reaches no token; None without such layers. `kl_BT` is the divergence from the
    teacher that was handed in; None without one.

    >>> Scores(logprobs_BT=tensor([[-0.7, -1.2]]), entropy_BT=tensor([[0.9, 1.1]]),
    ...        hits_BT=tensor([[1.0, 0.0]]), further_KBT=None, kl_BT=None)
    """

    logprobs_BT: Tensor
    entropy_BT: Tensor
    hits_BT: Tensor
    further_KBT: Tensor | None
    kl_BT: Tensor | None


class Taught(NamedTuple):
    """What a teacher says of the completion tokens of some inputs, and how it is to be followed.

    >>> Taught(Side(hidden_ND, head_VD), direction="forward", temperature=2.0)
    """

    side: Side
    direction: str
    temperature: float


class ScoredLM(nn.Module):
    """Wraps a model, and MTP layers that are trained with it (or, `detached`, beside it), so that
    its forward ends in log-probabilities.

    The head runs inside this forward, where sharded parameters are gathered, and a chunk of
    tokens at a time, so [all tokens, vocabulary] is never held. Models that scale their logits
    after the head are not for it: the parity gate stops such a run at its first step.
    """

    def __init__(
        self, model: PreTrainedModel, mtp: Mtp | None = None, *, detached: bool = False
    ) -> None:
        super().__init__()
        self.model = model
        self.mtp = mtp
        self.detached = detached
        self.replay = RouterReplay(model)
        self.cost = ForwardCost.of(model)
        self.cost_further = self.cost + ForwardCost.of_draft(mtp, model) if mtp else self.cost
        self.spent = Spent()

    def forward(
        self,
        inputs: Inputs,
        *,
        temperature: float,
        entropy: bool = True,
        entropy_grad: bool = False,
        hits: bool = False,
        further: bool = False,
        taught: Taught | None = None,
    ) -> Scores:
        """The completions' scores at `temperature`, in nats; the MTP layers' where `further`, the
        divergence from a teacher, at a temperature of its own, where one has `taught`.

        Without `entropy`, or without `hits`, these are NaN inside the mask: a pass over the
        vocabulary is spared.
        """
        self.spent.forward(self.cost_further if further else self.cost, inputs.lengths)
        hidden_RSD = self._hidden(inputs)
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
        further_KBT = self._further(hidden_RSD, inputs, temperature) if further else None
        kl_BT = self._kl(hidden_RSD, inputs, taught) if taught else None
        return Scores(logprobs_BT, entropy_BT, hits_BT, further_KBT, kl_BT)

    def teach(self, inputs: Inputs) -> Side:
        """The states that predict the completion tokens, in the order they stand in the mask, and
        the head: what another model learns from."""
        self.spent.forward(self.cost, inputs.lengths)
        return self._side(_states(self._hidden(inputs), inputs, inputs.mask_BT, ahead=1))

    def _hidden(self, inputs: Inputs) -> Tensor:
        backbone = getattr(self.model, self.model.base_model_prefix)
        # Positions only where they say something: given any, transformers looks for packed rows.
        told = {} if inputs.positions_RS is None else {"position_ids": inputs.positions_RS}
        if inputs.pieces_BM is not None:
            told["attention_mask"] = table_of(inputs.pieces_BM)
        again = self.model.is_gradient_checkpointing and torch.is_grad_enabled()
        with self.replay.given(inputs.experts_RSLK, until_next=again):
            hidden_RSD: Tensor = backbone(
                input_ids=inputs.ids_RS, use_cache=False, **told
            ).last_hidden_state
        return hidden_RSD

    def _side(self, hidden_ND: Tensor, *, detached: bool = False) -> Side:
        head = self.model.get_output_embeddings()
        weight_VD, bias_V = head.weight, head.bias
        if detached:
            weight_VD, bias_V = weight_VD.detach(), None if bias_V is None else bias_V.detach()
        return Side(hidden_ND, weight_VD, bias_V)

    def _kl(self, hidden_RSD: Tensor, inputs: Inputs, taught: Taught) -> Tensor:
        """The divergence from a teacher's distribution of each completion token."""
        kl_N = chunked_kl(
            self._side(_states(hidden_RSD, inputs, inputs.mask_BT, ahead=1)),
            taught.side,
            direction=taught.direction,
            temperature=taught.temperature,
        )
        return _spread(kl_N, inputs.mask_BT)

    def _further(self, hidden_RSD: Tensor, inputs: Inputs, temperature: float) -> Tensor:
        """The MTP layers' log-probabilities [K, B, T] of what each reaches."""
        assert self.mtp is not None, "only a policy that trains MTP layers asks for it"
        depths = range(1, self.mtp.depth + 1)
        ahead_KRS = [inputs.ahead_RS(k) for k in depths]
        states = self.mtp(
            self.model, hidden_RSD, ahead_KRS, inputs.positions_RS, detached=self.detached
        )
        said = [
            self._said(
                state_RSD, inputs, inputs.reached_BT(k), ahead=k + 1, detached=self.detached,
                temperature=temperature, entropy=False,
            )
            for k, state_RSD in zip(depths, states, strict=True)
        ]  # fmt: skip
        return torch.stack([logprobs_BT for logprobs_BT, *_ in said])

    def _said(
        self,
        hidden_RSD: Tensor,
        inputs: Inputs,
        mask_BT: Tensor,
        *,
        ahead: int,
        detached: bool = False,
        **asked: Any,
    ) -> list[Tensor]:
        """Log-probabilities, entropies and hits [B, T] where `mask_BT`, by the states that stand
        `ahead` tokens before; `detached` is the head."""
        states_ND = _states(hidden_RSD, inputs, mask_BT, ahead)
        hidden_ND, weight_VD, bias_V = self._side(states_ND, detached=detached)
        scores = chunked_logprobs(
            hidden_ND, weight_VD, inputs.targets_BT[mask_BT], bias=bias_V, **asked
        )
        return [_spread(values_N, mask_BT) for values_N in scores]


def _states(hidden_RSD: Tensor, inputs: Inputs, mask_BT: Tensor, ahead: int) -> Tensor:
    """The states that stand `ahead` tokens before those of the mask, in its order."""
    owner_N, column_N = mask_BT.nonzero(as_tuple=True)
    # The state before a completion is its prompt's last, wherever that stands.
    place_N = torch.where(
        column_N == 0, inputs.before_B[owner_N] + 1, inputs.first_B[owner_N] + column_N
    )
    return hidden_RSD[inputs.row_B[owner_N], place_N - ahead]


def _spread(values_N: Tensor, mask_BT: Tensor) -> Tensor:
    out_BT = torch.zeros(mask_BT.shape, dtype=values_N.dtype, device=values_N.device)
    return out_BT.masked_scatter(mask_BT, values_N)
