"""Attention over rows that hold a prompt once and all its completions behind it.

Everything in a transformer but attention looks at one token at a time, so what a prompt costs there
is paid once. Attention alone is told which tokens a sequence consists of: queries, keys and values
are laid out as if each completion had its prompt before it, and what comes out is laid back. The
table of those tokens travels where a mask would: transformers hands a 4-D mask on as it is.
"""

# N = tokens of the row, Q = sequences, S = tokens of the longest, H = heads, d = width of a head,
# F = H x d

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from grpo.errors import UserError

NAME = "shared_prompt"
FULL = {"full_attention"}


def share_prompts(model: PreTrainedModel) -> PreTrainedModel:
    """The model, from now on able to read rows with shared prompts, and all others as before.

    Raises UserError where a layer of it does not attend to everything before a token.
    """
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or FULL)
    slides = getattr(config, "use_sliding_window", True) and getattr(config, "sliding_window", None)
    if kinds != FULL or (slides and not hasattr(config, "layer_types")):
        raise UserError(
            f"share_prompts is for layers that attend to all tokens before, and {config.model_type}"
            f" has {', '.join(sorted(kinds - FULL)) or 'a sliding window'}; set it to false"
        )
    model.set_attn_implementation(NAME)
    return model


def table_of(pieces_QS: Tensor) -> Tensor:
    """What a model is given as its mask: for each sequence the places of its tokens in the row.
    On the right, where a sequence is shorter than the longest, any place may stand."""
    return pieces_QS[None, None]


def shared_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """sdpa of [1, H, N, d], each sequence of the table for itself; plain sdpa without a table."""
    if attention_mask is None or attention_mask.dtype != torch.long:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    pieces_QS = attention_mask[0, 0]
    laid = [_laid_out(part, pieces_QS) for part in (query, key, value)]
    out_QSHd, _ = sdpa_attention_forward(module, *laid, None, **kwargs)
    out_NF = out_QSHd.flatten(2).flatten(0, 1)[_first_places(pieces_QS, query.shape[2])]
    return out_NF.view(1, -1, *out_QSHd.shape[2:]), None


def _laid_out(part_1HNd: Tensor, pieces_QS: Tensor) -> Tensor:
    """[Q, H, S, d]: the row's tokens, those of a prompt once for each of its completions."""
    _, heads, tokens, width = part_1HNd.shape
    part_NF = part_1HNd[0].transpose(0, 1).reshape(tokens, heads * width)
    laid_MF: Tensor = _Rows.apply(part_NF, pieces_QS.flatten())
    return laid_MF.view(*pieces_QS.shape, heads, width).transpose(1, 2)


def _first_places(pieces_QS: Tensor, tokens: int) -> Tensor:
    """Where in the table each of the row's tokens stands first, [N]."""
    places_M = torch.arange(pieces_QS.numel(), device=pieces_QS.device)
    first_N = places_M.new_full((tokens,), pieces_QS.numel())
    return first_N.scatter_reduce_(0, pieces_QS.flatten(), places_M, "amin")


class _Rows(torch.autograd.Function):
    """x[rows], whose backward adds up in one parallel pass what `index_add` does row by row."""

    @staticmethod
    def forward(ctx: Any, x_NF: Tensor, rows_M: Tensor) -> Tensor:
        ctx.save_for_backward(rows_M)
        ctx.tokens = len(x_NF)
        return x_NF.index_select(0, rows_M)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_MF: Tensor) -> tuple[Tensor, None]:
        (rows_M,) = ctx.saved_tensors
        grad_MF = grad_MF.contiguous()
        sums_NF = grad_MF.new_zeros(ctx.tokens, grad_MF.shape[1])
        return sums_NF.scatter_add_(0, rows_M[:, None].expand_as(grad_MF), grad_MF), None


AttentionInterface.register(NAME, shared_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
