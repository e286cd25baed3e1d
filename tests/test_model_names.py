"""Checkpoint names: what is written under them loads back as the model it came from."""

from pathlib import Path

import pytest
import tiny_moe
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from grpo.checkpoint.weights import save_weights
from grpo.errors import UserError
from grpo.model.load import base_folder, load_model, load_tokenizer
from grpo.model.mtp import Mtp
from grpo.model.names import checkpoint_tensors
from grpo.recipe.sections import Model

IDS = torch.tensor([[6, 40, 200, 7]])


def llama(tied: bool) -> PreTrainedModel:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=262,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        tie_word_embeddings=tied,
    )
    return LlamaForCausalLM(config).eval()


MODELS = {
    "mixture": tiny_moe.model,
    "llama": lambda: llama(tied=False),
    "llama, tied head": lambda: llama(tied=True),
}


def saved(model: PreTrainedModel, folder: Path, **more: Mtp) -> Path:
    model.config.architectures = [type(model).__name__]
    save_weights(folder, checkpoint_tensors(model, **more), model.config, tiny_moe.tokenizer())
    return folder


@pytest.mark.parametrize("name", MODELS)
def test_transformers_loads_them_bit_for_bit(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    loaded = AutoModelForCausalLM.from_pretrained(saved(model, tmp_path))
    assert set(loaded.state_dict()) == set(model.state_dict())
    for key, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], tensor), key
    with torch.no_grad():
        assert torch.equal(loaded(IDS).logits, model(IDS).logits)


def test_a_draft_beside_them_does_no_harm(tmp_path: Path) -> None:
    model = tiny_moe.model()
    loaded = AutoModelForCausalLM.from_pretrained(saved(model, tmp_path, mtp=Mtp(model)))
    assert all(torch.equal(loaded.state_dict()[k], t) for k, t in model.state_dict().items())


def test_experts_lie_apart_on_disk() -> None:
    names = checkpoint_tensors(tiny_moe.model())
    assert not any("gate_up_proj" in name for name in names)
    # Two layers with experts, of 8 each.
    assert sum(name.endswith("gate_proj.weight") and ".experts." in name for name in names) == 16
    assert names["model.layers.1.mlp.experts.3.up_proj.weight"].shape == (64, 64)
    assert "model.layers.1.mlp.gate.e_score_correction_bias" in names


def test_a_tied_head_is_left_out() -> None:
    assert "lm_head.weight" in checkpoint_tensors(llama(tied=False))
    assert "lm_head.weight" not in checkpoint_tensors(llama(tied=True))


def test_a_gathered_state_takes_the_place_of_the_models_own() -> None:
    model = llama(tied=False)
    doubled = {name: 2 * tensor for name, tensor in model.state_dict().items()}
    tensors = checkpoint_tensors(model, doubled)
    assert torch.equal(tensors["lm_head.weight"], 2 * model.lm_head.weight)


def test_a_loaded_model_owns_its_memory_and_has_the_dtype_it_was_told(tmp_path: Path) -> None:
    folder = saved(tiny_moe.model(), tmp_path)
    model = load_model(Model(path="", dtype="bfloat16"), folder)
    assert model.dtype == torch.bfloat16
    # Kernels may round otherwise at odd addresses, which a mapped file has.
    assert all(parameter.data_ptr() % 64 == 0 for parameter in model.parameters())


def test_recomputed_activations_are_asked_for_by_name(tmp_path: Path) -> None:
    folder = saved(llama(tied=False), tmp_path)
    assert load_model(Model(path="", gradient_checkpointing=True), folder).is_gradient_checkpointing
    assert not load_model(Model(path=""), folder).is_gradient_checkpointing


def test_a_folder_without_a_model_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"the model in {tmp_path} cannot be loaded"):
        load_model(Model(path=""), tmp_path)
    with pytest.raises(UserError, match=rf"{tmp_path} has no tokenizer"):
        load_tokenizer(Model(path=""), tmp_path)


def test_a_folder_is_its_own_base(tmp_path: Path) -> None:
    assert base_folder(Model(path=str(tmp_path))) == tmp_path


def test_a_name_that_is_nowhere_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"model\.path: 'no/such-model' is no folder, no shipped"):
        base_folder(Model(path="no/such-model"))
