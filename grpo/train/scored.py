"""A causal LM that answers with the log-probabilities of given completions, never with logits."""

# B = completions, S = prompt and completion, T = completion tokens, N = all of them, D = width

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from grpo.objective import chunked_logprobs


class ScoredLM(nn.Module):
    """Wraps a model so that its forward ends in log-probabilities.

    The head runs inside this forward, where sharded parameters are gathered, and a chunk of
    tokens at a time, so [all tokens, vocabulary] is never held. Models that scale their logits
    after the head are not for it: the parity gate stops such a run at its first step.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        ids_BS: Tensor,
        first_B: Tensor,
        targets_BT: Tensor,
        mask_BT: Tensor,
        *,
        temperature: float,
        entropy: bool = True,
        entropy_grad: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """(logprobs_BT, entropy_BT) in nats at `temperature`; 0 outside the mask.

        Without `entropy` the second is NaN inside it: a pass over the vocabulary is spared.

        `first_B` is the prompt's length: the state at first_B - 1 predicts the first token.
        """
        backbone = getattr(self.model, self.model.base_model_prefix)
        hidden_BSD = backbone(input_ids=ids_BS, use_cache=False).last_hidden_state
        rows, columns = mask_BT.nonzero(as_tuple=True)
        hidden_ND = hidden_BSD[rows, first_B[rows] - 1 + columns]
        head = self.model.get_output_embeddings()
        logprobs_N, entropy_N = chunked_logprobs(
            hidden_ND,
            head.weight,
            targets_BT[mask_BT],
            temperature=temperature,
            bias=head.bias,
            entropy=entropy,
            entropy_grad=entropy_grad,
        )
        return _spread(logprobs_N, mask_BT), _spread(entropy_N, mask_BT)


def _spread(values_N: Tensor, mask_BT: Tensor) -> Tensor:
    out_BT = torch.zeros(mask_BT.shape, dtype=values_N.dtype, device=values_N.device)
    return out_BT.masked_scatter(mask_BT, values_N)
