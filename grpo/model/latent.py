"""Latent attention in its absorbed form: all heads read one latent of a token, nothing is expanded.

DeepSeek-V2, 2.1.2: a key is k = [W_UK c ; k_R] and a value v = W_UV c, so W_UK can be taken into
the query and W_UV into the output, and what is held of a token is its latent c and the rotated key
k_R that all heads share. transformers expands c at each step and gives the same numbers; kernels
for latent attention compute this form. Leaves out caches and kernels: it is the form written down,
to hold those against.
"""

# B = sequences, S = tokens held, T = tokens asked for (the last of S), H = heads, D = width,
# R = rank of the latent, N = dimensions of a head without rotation, P = with it, V = of a value

import math
from typing import NamedTuple

import torch
from torch import Tensor
from transformers.models.deepseek_v3.modeling_deepseek_v3 import (
    DeepseekV3Attention,
    apply_rotary_pos_emb,
    apply_rotary_pos_emb_interleave,
)

Rotary = tuple[Tensor, Tensor]
"""Cosines and sines of the positions, [1 or B, T, P], as the model's own `rotary_emb` gives."""


class Latents(NamedTuple):
    """All that a layer has to hold of its tokens: R + P numbers each.

    >>> Latents(latent_BSR=torch.zeros(1, 9, 512), key_BSP=torch.zeros(1, 9, 64))
    """

    latent_BSR: Tensor
    key_BSP: Tensor


def latents(layer: DeepseekV3Attention, hidden_BTD: Tensor, rotary: Rotary) -> Latents:
    """c = norm(W_DKV h) and k_R = RoPE(W_KR h) of some tokens (V2 eq. 9 and 15)."""
    both = layer.kv_a_proj_with_mqa(hidden_BTD)
    latent_BTR, key_BTP = both.split([layer.kv_lora_rank, layer.qk_rope_head_dim], dim=-1)
    return Latents(
        layer.kv_a_layernorm(latent_BTR), _rotated(layer, key_BTP[:, None], rotary)[:, 0]
    )


def absorbed_attention(
    layer: DeepseekV3Attention, hidden_BTD: Tensor, rotary: Rotary, held: Latents
) -> Tensor:
    """The layer's output [B, T, D] for the last T of the S tokens that are `held`, themselves
    among them; each looks at itself and what is before it.

    The scores are (q_N W_UK) c + q_R k_R, the output W_O (W_UV sum of p c): V2, appendix C.
    """
    up_HNR, up_HVR = _up_projections(layer)
    plain_BHTN, turned_BHTP = _queries(layer, hidden_BTD, rotary)
    absorbed_BHTR = torch.einsum("bhtn,hnr->bhtr", plain_BHTN, up_HNR)
    scores_BHTS = (
        absorbed_BHTR @ held.latent_BSR[:, None].mT + turned_BHTP @ held.key_BSP[:, None].mT
    )
    scores_BHTS = scores_BHTS * layer.scaling + _causal(scores_BHTS)
    probs_BHTS = scores_BHTS.softmax(-1, dtype=torch.float32).to(hidden_BTD.dtype)
    seen_BHTR = probs_BHTS @ held.latent_BSR[:, None]
    values_BTHV = torch.einsum("bhtr,hvr->bthv", seen_BHTR, up_HVR)
    return layer.o_proj(values_BTHV.flatten(2))


def _up_projections(layer: DeepseekV3Attention) -> tuple[Tensor, Tensor]:
    """W_UK [H, N, R] and W_UV [H, V, R], which a checkpoint holds head by head in one matrix."""
    sizes = [layer.qk_nope_head_dim, layer.v_head_dim]
    up_HNR, up_HVR = layer.kv_b_proj.weight.unflatten(0, (layer.num_heads, sum(sizes))).split(
        sizes, 1
    )
    return up_HNR, up_HVR


def _queries(
    layer: DeepseekV3Attention, hidden_BTD: Tensor, rotary: Rotary
) -> tuple[Tensor, Tensor]:
    """The heads' queries without rotation [B, H, T, N] and with it [B, H, T, P]."""
    if layer.q_lora_rank is None:
        both = layer.q_proj(hidden_BTD)
    else:
        both = layer.q_b_proj(layer.q_a_layernorm(layer.q_a_proj(hidden_BTD)))
    both = both.unflatten(-1, (layer.num_heads, layer.qk_head_dim)).transpose(1, 2)
    plain, turned = both.split([layer.qk_nope_head_dim, layer.qk_rope_head_dim], dim=-1)
    return plain, _rotated(layer, turned, rotary)


def _rotated(layer: DeepseekV3Attention, x_BHTP: Tensor, rotary: Rotary) -> Tensor:
    turn = apply_rotary_pos_emb_interleave if layer.config.rope_interleave else apply_rotary_pos_emb
    turned: Tensor = turn(x_BHTP, x_BHTP, *rotary)[0]
    return turned


def _causal(scores_BHTS: Tensor) -> Tensor:
    """Nought where a token may look, minus infinity where it may not; [T, S]."""
    asked, held = scores_BHTS.shape[-2:]
    return torch.full_like(scores_BHTS[0, 0], -math.inf).triu(held - asked + 1)
