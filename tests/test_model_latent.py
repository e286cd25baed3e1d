"""Latent attention: absorbed and expanded are one function, from a whole text and from a cache."""

from pathlib import Path
from typing import Any

import pytest
import tiny_moe
import torch
from torch import Tensor
from transformers import DeepseekV3ForCausalLM, PreTrainedModel
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3Attention

from grpo.model.latent import Latents, Rotary, absorbed_attention, latents
from grpo.model.load import load_model
from grpo.recipe.sections import Model

BASE = Path(__file__).parents[1] / "data" / "models" / "tiny-base"
# B = 2 sequences of T = 40 tokens
B, T = 2, 40


@pytest.fixture(scope="module")
def base() -> PreTrainedModel:
    """The shipped base: trained weights, YaRN."""
    return load_model(Model(path=str(BASE)), BASE).eval()


def asked(model: PreTrainedModel, tokens: int = T) -> tuple[Tensor, Rotary]:
    """States as large as a norm leaves them, and the rotation of their positions."""
    generator = torch.Generator().manual_seed(0)
    hidden_BTD = torch.randn(B, tokens, model.config.hidden_size, generator=generator)
    return hidden_BTD, model.model.rotary_emb(hidden_BTD, torch.arange(tokens)[None])


@torch.no_grad()
def expanded(layer: DeepseekV3Attention, hidden_BTD: Tensor, rotary: Rotary) -> Tensor:
    """transformers' own forward."""
    tokens = hidden_BTD.shape[1]
    mask = torch.full((1, 1, tokens, tokens), -torch.inf).triu(1)
    out_BTD: Tensor = layer(hidden_BTD, rotary, mask)[0]
    return out_BTD


@torch.no_grad()
def absorbed(layer: DeepseekV3Attention, hidden_BTD: Tensor, rotary: Rotary) -> Tensor:
    return absorbed_attention(layer, hidden_BTD, rotary, latents(layer, hidden_BTD, rotary))


def close(got: Tensor, expected: Tensor) -> None:
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("number", range(4))
def test_the_forms_agree_in_every_layer_of_the_base(base: PreTrainedModel, number: int) -> None:
    assert base.config.rope_parameters["rope_type"] == "yarn"
    layer = base.model.layers[number].self_attn
    close(absorbed(layer, *asked(base)), expanded(layer, *asked(base)))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"q_lora_rank": None},
        {"rope_interleave": False},
        {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
    ],
    ids=["as it is", "queries uncompressed", "halves rotated", "no YaRN"],
)
def test_the_forms_agree_with_values_narrower_than_keys(changes: dict[str, Any]) -> None:
    # tiny_moe's values have 16 dimensions a head, its keys 24 + 8.
    model: DeepseekV3ForCausalLM = tiny_moe.model(**changes)
    layer = model.model.layers[0].self_attn
    close(absorbed(layer, *asked(model)), expanded(layer, *asked(model)))


@torch.no_grad()
def test_a_token_at_a_time_from_what_is_held(base: PreTrainedModel) -> None:
    """Decoding: of earlier tokens only latent and rotated key are there."""
    layer = base.model.layers[2].self_attn
    hidden_BTD, (cos, sin) = asked(base)
    held = Latents(torch.zeros(B, 0, 48), torch.zeros(B, 0, 8))
    out = []
    for t in range(T):
        now = slice(t, t + 1)
        rotary = (cos[:, now], sin[:, now])
        new = latents(layer, hidden_BTD[:, now], rotary)
        held = Latents(*(torch.cat(both, dim=1) for both in zip(held, new, strict=True)))
        out.append(absorbed_attention(layer, hidden_BTD[:, now], rotary, held))
    close(torch.cat(out, dim=1), expanded(layer, *asked(base)))
    assert sum(part.numel() for part in held) == B * T * (48 + 8)


@torch.no_grad()
def test_what_is_held_is_what_transformers_caches(base: PreTrainedModel) -> None:
    ids = torch.arange(10, 10 + T)[None]
    layer = base.model.layers[1]
    states: list[Tensor] = []
    hook = layer.input_layernorm.register_forward_hook(lambda _, __, out: states.append(out))
    cache = base(ids, use_cache=True).past_key_values
    hook.remove()
    (hidden_BTD,) = states
    rotary = base.model.rotary_emb(hidden_BTD, torch.arange(T)[None])
    ours = latents(layer.self_attn, hidden_BTD, rotary)
    for mine, theirs in zip(ours, (cache.layers[1].keys, cache.layers[1].values), strict=True):
        torch.testing.assert_close(mine, theirs[:, 0], atol=1e-6, rtol=1e-6)
