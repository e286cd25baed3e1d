"""Log-probability of each token, and the entropy it was drawn with, without holding the logits.

The logits of a batch, [N, V], are by far the largest tensor of a language model's update. Here a
chunk of tokens at a time is projected, reduced and forgotten, and backward projects it again.
Leaves out softcapped and otherwise scaled logits, which DeepSeek, Llama and Qwen heads lack.
"""

# Shapes: N tokens of the batch in one row, C tokens of a chunk, D model width, V vocabulary.

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from grpo.objective.head import Head, HeadGradients, chunk_size, chunks


def chunked_logprobs(
    hidden_ND: Tensor,
    head_weight_VD: Tensor,
    targets_N: Tensor,
    *,
    temperature: float = 1.0,
    chunk: int | None = None,
    bias: Tensor | None = None,
    entropy: bool = True,
    entropy_grad: bool = False,
    hits: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """(logprobs_N, entropy_N) in nats of `softmax((hidden @ head.T + bias) / temperature)`, and
    hits_N: 1 where no token is likelier than the target, else 0.

    `hidden_ND[i]` is the state that predicts `targets_N[i]`. The temperature must be the sampler's,
    or the ratio of the two policies is wrong. Float32 from the projection on, whatever the inputs'
    dtype and any autocast (float64 inputs stay float64). Neither pass holds more than [chunk, V]
    logits (by default as many tokens as make 32 M of them, whatever the vocabulary), besides
    float32 copies of a head of lower precision and of its gradient, [V, D] each.
    On a GPU `torch.set_float32_matmul_precision("high")` puts the products on tensor cores.

    Where the head is sharded (FSDP), call this inside the wrapped module's forward.

    Gradient flows through logprobs_N to hidden, head and bias, and through entropy_N only with
    `entropy_grad`. Without `entropy` entropy_N is NaN, and without `hits` hits_N: not computed must
    not read as a number.
    """
    chunk = chunk or chunk_size(len(head_weight_VD))
    outputs: tuple[Tensor, Tensor, Tensor] = _ChunkedLogprobs.apply(
        hidden_ND, head_weight_VD, bias, targets_N, temperature, chunk, entropy, entropy_grad, hits
    )
    return outputs


class _ChunkedLogprobs(torch.autograd.Function):
    """With z the logits, t the temperature, p the softmax of z / t, y the target, H the entropy:

    d log p_y / dz_j = ([j = y] - p_j) / t        dH / dz_j = -p_j (log p_j + H) / t
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: Tensor,
        weight_VD: Tensor,
        bias_V: Tensor | None,
        targets_N: Tensor,
        temperature: float,
        chunk: int,
        entropy: bool,
        entropy_grad: bool,
        hits: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        head = Head.of(hidden_ND, weight_VD, bias_V, temperature)
        logprobs_N = hidden_ND.new_empty(len(hidden_ND), dtype=head.weight_VD.dtype)
        entropy_N = torch.full_like(logprobs_N, torch.nan)
        hits_N = torch.full_like(logprobs_N, torch.nan)
        for rows in chunks(len(hidden_ND), chunk):
            logp_CV = head.logprobs(hidden_ND[rows])
            logprobs_N[rows] = logp_CV.gather(1, targets_N[rows, None]).squeeze(1)
            if hits:
                hits_N[rows] = (logprobs_N[rows] >= logp_CV.amax(dim=1)).to(hits_N.dtype)
            if entropy or entropy_grad:
                entropy_N[rows] = logp_CV.exp().mul_(logp_CV).sum(dim=1).neg_()
        ctx.save_for_backward(hidden_ND, weight_VD, bias_V, targets_N, entropy_N)
        ctx.temperature, ctx.chunk, ctx.entropy_grad = temperature, chunk, entropy_grad
        ctx.mark_non_differentiable(*([hits_N] if entropy_grad else [entropy_N, hits_N]))
        return logprobs_N, entropy_N, hits_N

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad_logprobs_N: Tensor, grad_entropy_N: Tensor, _: Tensor
    ) -> tuple[Any, ...]:
        hidden_ND, weight_VD, bias_V, targets_N, entropy_N = ctx.saved_tensors
        head = Head.of(hidden_ND, weight_VD, bias_V, ctx.temperature)
        grads = HeadGradients(head, hidden_ND, wanted=ctx.needs_input_grad[:3])
        for rows in chunks(len(hidden_ND), ctx.chunk):
            logp_CV = head.logprobs(hidden_ND[rows])
            grad_C1 = grad_logprobs_N[rows, None]
            grad_CV = logp_CV.exp().neg_()
            if ctx.entropy_grad:
                logp_CV.add_(entropy_N[rows, None]).mul_(grad_entropy_N[rows, None])
                grad_CV.mul_(logp_CV.add_(grad_C1))
            else:
                grad_CV.mul_(grad_C1)
            grad_CV.scatter_add_(1, targets_N[rows, None], grad_C1).div_(ctx.temperature)
            grads.add(rows, hidden_ND[rows], grad_CV)
        return grads.hidden_ND, grads.weight_VD, grads.bias_V, *[None] * 6
