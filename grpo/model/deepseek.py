"""A DeepSeek-V3 of any size, on transformers' own classes and DeepSeek's checkpoint names."""

import torch
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM

from grpo.recipe.sections import Architecture

YARN_FACTOR = 4.0


def build_config(shape: Architecture, *, vocab_size: int, end: int, pad: int) -> DeepseekV3Config:
    """The configuration for `shape`.

    Two settings are what other engines need to read the checkpoint rightly: `topk_method` tells
    vLLM of the router's bias, and YaRN is the one rope its CPU kernel turns the way DeepSeek does.
    """
    return DeepseekV3Config(
        vocab_size=vocab_size,
        hidden_size=shape.hidden_size,
        num_hidden_layers=shape.layers,
        first_k_dense_replace=shape.dense_layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        q_lora_rank=shape.q_lora_rank,
        kv_lora_rank=shape.kv_lora_rank,
        qk_nope_head_dim=shape.qk_nope_head_dim,
        qk_rope_head_dim=shape.qk_rope_head_dim,
        v_head_dim=shape.v_head_dim,
        intermediate_size=shape.intermediate_size,
        n_routed_experts=shape.experts,
        num_experts_per_tok=shape.experts_per_token,
        n_shared_experts=shape.shared_experts,
        moe_intermediate_size=shape.expert_size,
        n_group=shape.groups,
        topk_group=shape.groups_per_token,
        num_nextn_predict_layers=shape.mtp_layers,
        max_position_embeddings=shape.max_position,
        rope_parameters={
            "rope_type": "yarn",
            "rope_theta": 10000.0,
            "factor": YARN_FACTOR,
            "original_max_position_embeddings": int(shape.max_position / YARN_FACTOR),
            "mscale": 1.0,
            "mscale_all_dim": 1.0,
            "beta_fast": 32,
            "beta_slow": 1,
        },
        topk_method="noaux_tc",
        scoring_func="sigmoid",
        routed_scaling_factor=1.0,
        initializer_range=0.04,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=pad,
    )


def build_model(config: DeepseekV3Config, *, experts: str = "eager") -> DeepseekV3ForCausalLM:
    """A model with fresh float32 weights from the global random state."""
    config._experts_implementation = experts
    return DeepseekV3ForCausalLM(config).to(torch.float32)
