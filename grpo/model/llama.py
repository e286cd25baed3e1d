"""A dense Llama of any size, fresh, on transformers' own classes."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from grpo.recipe.sections import Llama


def build_llama(shape: Llama, *, vocab_size: int, end: int, pad: int) -> LlamaForCausalLM:
    """A model of `shape` with float32 weights from the global random state."""
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=shape.max_position,
        rms_norm_eps=1e-6,
        initializer_range=0.04,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=pad,
    )
    config.architectures = ["LlamaForCausalLM"]
    return LlamaForCausalLM(config).to(torch.float32)
