"""Small random dense models with a tokenizer of our own, saved as checkpoints.

Their weights are large enough for every part to move the answer: with transformers' own start a
wrong rotation would hardly change a greedy token.
"""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from grpo.learning.corpus import document_texts
from grpo.model.tokenizer import train_tokenizer
from grpo_data.world.corpus import documents

VOCABULARY, ROWS = 500, 512

SIZES: dict[str, Any] = {
    "vocab_size": ROWS, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
    "initializer_range": 0.2, "rms_norm_eps": 1e-5, "eos_token_id": 1, "bos_token_id": None,
    "pad_token_id": 0,
}  # fmt: skip

LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 32,
}  # fmt: skip

KINDS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "llama": (LlamaConfig, LlamaForCausalLM, {}),
    "tied": (LlamaConfig, LlamaForCausalLM, {"tie_word_embeddings": True}),
    "biased": (LlamaConfig, LlamaForCausalLM, {"attention_bias": True}),
    "odd rows": (LlamaConfig, LlamaForCausalLM, {"hidden_size": 48}),
    "wide heads": (LlamaConfig, LlamaForCausalLM, {"head_dim": 32}),
    "llama3 rope": (LlamaConfig, LlamaForCausalLM, {"rope_parameters": LLAMA3}),
    "linear rope": (
        LlamaConfig,
        LlamaForCausalLM,
        {"rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}},
    ),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM, {}),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM, {"head_dim": 32}),
}


def tokenizer() -> PreTrainedTokenizerFast:
    """The tiny base's kind, of VOCABULARY tokens."""
    return train_tokenizer(document_texts(documents(0, 500, 0.1)), VOCABULARY)


def save_student(folder: Path, words: PreTrainedTokenizerFast, kind: str = "llama") -> Any:
    """Save a model of KINDS with `words` in `folder`; the model."""
    config, model_of, changes = KINDS[kind]
    torch.manual_seed(0)
    model = model_of(config(**(SIZES | changes))).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                start = 0.0 if name.endswith("bias") else 1.0
                parameter.copy_(start + 0.3 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return model
