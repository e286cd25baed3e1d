"""A DeepSeek-V3 of any size: every knob in its place, and routing that is really limited."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, DeepseekV3Config

from grpo.model.balance import RouterWatch
from grpo.model.deepseek import build_config, build_model
from grpo.recipe.sections import Architecture

# Every knob unlike its default and unlike its neighbours, and where it belongs.
KNOBS: dict[str, tuple[int, str]] = {
    "hidden_size": (40, "hidden_size"),
    "layers": (5, "num_hidden_layers"),
    "dense_layers": (2, "first_k_dense_replace"),
    "heads": (3, "num_attention_heads"),
    "q_lora_rank": (20, "q_lora_rank"),
    "kv_lora_rank": (18, "kv_lora_rank"),
    "qk_nope_head_dim": (14, "qk_nope_head_dim"),
    "qk_rope_head_dim": (6, "qk_rope_head_dim"),
    "v_head_dim": (10, "v_head_dim"),
    "intermediate_size": (72, "intermediate_size"),
    "experts": (12, "n_routed_experts"),
    "experts_per_token": (4, "num_experts_per_tok"),
    "shared_experts": (7, "n_shared_experts"),
    "expert_size": (22, "moe_intermediate_size"),
    "groups": (6, "n_group"),
    "groups_per_token": (3, "topk_group"),
    "mtp_layers": (0, "num_nextn_predict_layers"),
    "max_position": (256, "max_position_embeddings"),
}


@pytest.fixture(scope="module")
def config() -> DeepseekV3Config:
    shape = Architecture(**{name: value for name, (value, _) in KNOBS.items()})
    return build_config(shape, vocab_size=301, end=9, pad=4)


def test_the_table_above_has_every_knob() -> None:
    assert set(KNOBS) == set(Architecture.model_fields)
    defaults = Architecture()
    assert all(getattr(defaults, name) != value for name, (value, _) in KNOBS.items())


@pytest.mark.parametrize("knob", KNOBS)
def test_a_knob_reaches_the_config(config: DeepseekV3Config, knob: str) -> None:
    value, key = KNOBS[knob]
    assert getattr(config, key) == value


def test_the_tokenizer_s_numbers_reach_it_too(config: DeepseekV3Config) -> None:
    assert (config.vocab_size, config.eos_token_id, config.pad_token_id) == (301, 9, 4)
    assert config.bos_token_id is None


def test_what_engines_need_is_still_there_on_disk(config: DeepseekV3Config, tmp_path: Path) -> None:
    config.save_pretrained(tmp_path)
    loaded: Any = AutoConfig.from_pretrained(tmp_path)
    for one in (config, loaded):
        assert (one.topk_method, one.scoring_func) == ("noaux_tc", "sigmoid")
        rope = one.rope_parameters
        assert rope["rope_type"] == "yarn"
        # 256 positions are four times the original 64.
        assert (rope["factor"], rope["original_max_position_embeddings"]) == (4.0, 64)
        assert {"mscale", "mscale_all_dim", "beta_fast", "beta_slow"} <= set(rope)


def test_a_token_is_sent_to_no_more_groups_than_it_may(config: DeepseekV3Config) -> None:
    torch.manual_seed(0)
    model = build_model(config)
    chosen: list[torch.Tensor] = []
    for router in RouterWatch(model).routers:
        router.register_forward_hook(lambda _, __, output: chosen.append(output[2]))
    with torch.no_grad():
        model(torch.randint(0, 301, (4, 50)))
    assert len(chosen) == 3  # five layers, two of them dense
    groups = torch.cat(chosen) // 2  # 12 experts in 6 groups
    most = max(len(set(row)) for row in groups.tolist())
    assert most == 3
    assert {len(set(row)) for row in torch.cat(chosen).tolist()} == {4}
    assert torch.cat(chosen).unique().numel() == 12


def test_a_fresh_model_is_float32_and_follows_from_the_seed(config: DeepseekV3Config) -> None:
    def weights() -> dict[str, torch.Tensor]:
        torch.manual_seed(3)
        return build_model(config).state_dict()

    one, other = weights(), weights()
    assert {tensor.dtype for tensor in one.values()} == {torch.float32}
    assert all(torch.equal(one[name], other[name]) for name in one)
