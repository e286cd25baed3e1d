"""Weights in Hugging Face format, loaded back by transformers itself."""

import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DeepseekV3Config,
    DeepseekV3ForCausalLM,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.core_model_loading import revert_weight_conversion

from grpo.checkpoint.weights import load_weights, save_weights
from grpo.errors import UserError

IDS = torch.tensor([[1, 5, 9, 2]])


def tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(models.WordLevel({"<end>": 0, "7": 1}, unk_token="<end>"))
    return PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>")


def llama(tied: bool = False) -> PreTrainedModel:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=16,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        tie_word_embeddings=tied,
        architectures=["LlamaForCausalLM"],
    )
    return LlamaForCausalLM(config).eval()


def mixture() -> PreTrainedModel:
    torch.manual_seed(0)
    config = DeepseekV3Config(
        vocab_size=16,
        hidden_size=16,
        intermediate_size=24,
        moe_intermediate_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        n_routed_experts=4,
        num_experts_per_tok=2,
        n_group=2,
        topk_group=1,
        first_k_dense_replace=1,
        q_lora_rank=8,
        kv_lora_rank=8,
        qk_nope_head_dim=8,
        qk_rope_head_dim=4,
        v_head_dim=8,
        architectures=["DeepseekV3ForCausalLM"],
    )
    return DeepseekV3ForCausalLM(config).eval()


def named(model: PreTrainedModel) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = revert_weight_conversion(model, model.state_dict())
    return tensors


def logits(model: PreTrainedModel) -> Tensor:
    with torch.no_grad():
        result: Tensor = model(IDS).logits
    return result


@pytest.mark.parametrize("build", [llama, mixture])
@pytest.mark.parametrize("max_shard", ["5GB", 3000])
def test_transformers_loads_what_was_saved(tmp_path: Path, build, max_shard) -> None:  # type: ignore[no-untyped-def]
    model = build()
    generation = GenerationConfig(eos_token_id=0, temperature=0.7, do_sample=True)
    save_weights(tmp_path, named(model), model.config, tokenizer(), generation, max_shard)
    shards = list(tmp_path.glob("*.safetensors"))
    assert (len(shards) > 3) == (max_shard == 3000)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(logits(loaded), logits(model))
    assert loaded.generation_config.temperature == 0.7
    assert AutoTokenizer.from_pretrained(tmp_path).eos_token == "<end>"


@pytest.mark.parametrize("max_shard", ["5GB", 3000])
def test_load_weights_gives_back_every_tensor(tmp_path: Path, max_shard: int | str) -> None:
    model = mixture()
    tensors = named(model)
    save_weights(tmp_path, tensors, model.config, tokenizer(), max_shard=max_shard)
    loaded = dict(load_weights(tmp_path))
    assert loaded.keys() == tensors.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())


def test_experts_that_share_memory_do_not_swell_a_shard(tmp_path: Path) -> None:
    model = mixture()
    save_weights(tmp_path, named(model), model.config, tokenizer(), max_shard=1800)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    shards: dict[str, int] = {}
    for name, tensor in load_weights(tmp_path):
        file = index["weight_map"][name]
        shards[file] = shards.get(file, 0) + tensor.nbytes
    # An expert's matrix has 8 * 16 * 4 = 512 bytes; the memory of one kind holds 4 * 512 = 2048.
    assert max(shards.values()) <= 1800
    assert sum(shards.values()) == index["metadata"]["total_size"]


def test_a_tied_head_is_stored_once(tmp_path: Path) -> None:
    model = llama(tied=True)
    tensors = named(model)
    assert "lm_head.weight" in tensors
    save_weights(tmp_path, tensors, model.config, tokenizer())
    names = {name for name, _ in load_weights(tmp_path)}
    assert names == tensors.keys() - {"lm_head.weight"}
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(logits(loaded), logits(model))


def test_tensors_that_share_memory_otherwise_are_stored_in_full(tmp_path: Path) -> None:
    model = llama()
    shared = torch.arange(6.0).view(2, 3)
    tensors = {"a": shared, "b": shared, "c": shared.T, "d": shared[1]}
    save_weights(tmp_path, tensors, model.config, tokenizer())
    loaded = dict(load_weights(tmp_path))
    assert {name: tensor.tolist() for name, tensor in loaded.items()} == {
        "a": [[0, 1, 2], [3, 4, 5]],
        "b": [[0, 1, 2], [3, 4, 5]],
        "c": [[0, 3], [1, 4], [2, 5]],
        "d": [3, 4, 5],
    }


def test_the_config_says_the_dtype_of_the_tensors(tmp_path: Path) -> None:
    model = llama()
    model.config.dtype = torch.bfloat16  # what the base came in; training is in float32
    save_weights(tmp_path, named(model), model.config, tokenizer())
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "float32"
    assert model.config.dtype == torch.bfloat16
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(logits(loaded), logits(model))


def test_what_vllm_could_not_load_is_refused(tmp_path: Path) -> None:
    model = llama()
    with pytest.raises(ValueError, match="no tensors"):
        save_weights(tmp_path, {}, model.config, tokenizer())
    model.config.architectures = None
    with pytest.raises(ValueError, match="architectures"):
        save_weights(tmp_path, named(model), model.config, tokenizer())


def test_a_folder_without_weights(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no weights"):
        next(load_weights(tmp_path))
