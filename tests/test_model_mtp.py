"""The MTP layer: what it predicts, by a forward written out here, and how it lies on disk."""

from pathlib import Path

import pytest
import tiny_moe
import torch
from torch import Tensor
from transformers import DeepseekV3ForCausalLM

from grpo.checkpoint.weights import load_weights, save_weights
from grpo.model.load import load_draft, load_model
from grpo.model.mtp import MtpLayer, mtp_tensors
from grpo.model.names import checkpoint_tensors
from grpo.recipe.sections import Model

N = tiny_moe.LAYERS
HEAD = f"model.layers.{N}."
# B = 2 sequences, T = 9 tokens
IDS_BT = torch.randint(6, 262, (2, 9), generator=torch.Generator().manual_seed(7))


def draft(main: DeepseekV3ForCausalLM, seed: int = 5) -> MtpLayer:
    """An MTP layer of random weights, large enough for every part to matter."""
    mtp = MtpLayer(main)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in mtp.state_dict().items():
            weight.copy_(tiny_moe._random(name, weight, generator))
    return mtp.eval()


@pytest.fixture(scope="module")
def main() -> DeepseekV3ForCausalLM:
    return tiny_moe.model()


@pytest.fixture(scope="module")
def mtp(main: DeepseekV3ForCausalLM) -> MtpLayer:
    return draft(main)


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + eps).sqrt() * weight


def written_out(main: DeepseekV3ForCausalLM, mtp: MtpLayer, ids_BT: Tensor) -> Tensor:
    """h'_i = Block(W [norm(embed(t_{i+1})) ; norm(h_i)]), one position after the other."""
    eps = main.config.rms_norm_eps
    hidden_BTD = main.model(ids_BT, use_cache=False).last_hidden_state
    places = range(ids_BT.shape[1] - 1)
    inputs = []
    for i in places:
        embed = main.model.embed_tokens.weight[ids_BT[:, i + 1]]
        embed = torch.zeros_like(embed) if i == 0 else embed
        both = [
            rms_norm(embed, mtp.enorm.weight, eps),
            rms_norm(hidden_BTD[:, i], mtp.hnorm.weight, eps),
        ]
        inputs.append(torch.cat(both, dim=-1) @ mtp.eh_proj.weight.T)
    x_BSD = torch.stack(inputs, dim=1)
    return rms_norm(_block(main, mtp, x_BSD), mtp.norm.weight, eps)


def _block(main: DeepseekV3ForCausalLM, mtp: MtpLayer, x_BSD: Tensor) -> Tensor:
    """The decoder layer with its causal mask spelt out."""
    length = x_BSD.shape[1]
    block = mtp.block
    mask = torch.full((length, length), -torch.inf).triu(1)[None, None]
    rotary = main.model.rotary_emb(x_BSD, torch.arange(length)[None])
    normed = block.input_layernorm(x_BSD)
    mixed, _ = block.self_attn(normed, position_embeddings=rotary, attention_mask=mask)
    x_BSD = x_BSD + mixed
    return x_BSD + block.mlp(block.post_attention_layernorm(x_BSD))


@torch.no_grad()
def predicted(main: DeepseekV3ForCausalLM, mtp: MtpLayer, ids_BT: Tensor) -> Tensor:
    """What the layer says at the places whose next token is known."""
    hidden_BTD = main.model(ids_BT, use_cache=False).last_hidden_state
    out: Tensor = mtp(main, hidden_BTD, ids_BT.roll(-1, 1))
    return out[:, :-1]


@torch.no_grad()
def test_it_predicts_as_it_is_written(main: DeepseekV3ForCausalLM, mtp: MtpLayer) -> None:
    expected = written_out(main, mtp, IDS_BT)
    torch.testing.assert_close(predicted(main, mtp, IDS_BT), expected, atol=1e-5, rtol=1e-5)
    # The tolerance is far below what the parts come to.
    assert expected.std() > 0.1


@torch.no_grad()
def test_the_embedding_at_the_first_place_is_nought(
    main: DeepseekV3ForCausalLM, mtp: MtpLayer
) -> None:
    hidden = main.model(IDS_BT, use_cache=False).last_hidden_state
    next_ids = IDS_BT.roll(-1, 1)
    other_first, other_second = next_ids.clone(), next_ids.clone()
    other_first[:, 0] += 1
    other_second[:, 1] += 1
    assert torch.equal(mtp(main, hidden, next_ids), mtp(main, hidden, other_first))
    assert not torch.equal(mtp(main, hidden, next_ids), mtp(main, hidden, other_second))


@torch.no_grad()
def test_it_sees_one_token_ahead_and_no_further(main: DeepseekV3ForCausalLM, mtp: MtpLayer) -> None:
    changed = IDS_BT.clone()
    changed[:, 5] = 6 + (changed[:, 5] - 5) % 256  # another token at position 5
    before, after = predicted(main, mtp, IDS_BT), predicted(main, mtp, changed)
    # Place 4 has token 5 as its next; nothing before it may know.
    torch.testing.assert_close(before[:, :4], after[:, :4], atol=1e-6, rtol=0)
    assert (before[:, 4:] - after[:, 4:]).abs().amax(-1).min() > 1e-3


@torch.no_grad()
def test_it_stands_on_the_state_after_the_final_norm(
    main: DeepseekV3ForCausalLM, mtp: MtpLayer
) -> None:
    # What the trainer hands over, `last_hidden_state`, is what the main head reads.
    hidden = main.model(IDS_BT, use_cache=False).last_hidden_state
    torch.testing.assert_close(main.lm_head(hidden), main(IDS_BT).logits)


def test_its_names_are_those_of_layer_n(main: DeepseekV3ForCausalLM, mtp: MtpLayer) -> None:
    tensors = checkpoint_tensors(main, mtp=mtp)
    own = {name.removeprefix(HEAD) for name in tensors if name.startswith(HEAD)}
    extra = {
        "enorm.weight",
        "hnorm.weight",
        "eh_proj.weight",
        "embed_tokens.weight",
        "shared_head.norm.weight",
        "shared_head.head.weight",
    }
    last = f"model.layers.{N - 1}."
    layer = {name.removeprefix(last) for name in tensors if name.startswith(last)}
    assert "mlp.experts.7.down_proj.weight" in layer
    assert own == layer | extra


def test_the_shared_embedding_and_head_follow_the_model(
    main: DeepseekV3ForCausalLM, mtp: MtpLayer
) -> None:
    tensors = mtp_tensors(mtp, main)
    assert tensors[HEAD + "embed_tokens.weight"].equal(main.model.embed_tokens.weight)
    assert tensors[HEAD + "shared_head.head.weight"].equal(main.lm_head.weight)
    assert not any(tensor.requires_grad for tensor in checkpoint_tensors(main, mtp=mtp).values())


def saved(main: DeepseekV3ForCausalLM, mtp: MtpLayer, folder: Path) -> Path:
    tensors = checkpoint_tensors(main, mtp=mtp)
    main.config.architectures = ["DeepseekV3ForCausalLM"]
    save_weights(folder, tensors, main.config, tiny_moe.tokenizer())
    return folder


def test_it_comes_back_bit_for_bit(
    main: DeepseekV3ForCausalLM, mtp: MtpLayer, tmp_path: Path
) -> None:
    folder = saved(main, mtp, tmp_path)
    model = load_model(Model(path=""), folder)
    loaded = load_draft(model, folder)
    assert loaded is not None
    for name, tensor in mtp.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    assert torch.equal(predicted(model, loaded, IDS_BT), predicted(main, mtp, IDS_BT))
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    again = checkpoint_tensors(model, mtp=loaded)
    on_disk = dict(load_weights(folder))
    assert set(again) == set(on_disk)
    assert all(torch.equal(again[name], on_disk[name]) for name in again)


def test_in_half_precision_the_router_bias_stays_whole(
    main: DeepseekV3ForCausalLM, mtp: MtpLayer, tmp_path: Path
) -> None:
    model = load_model(Model(path="", dtype="bfloat16"), saved(main, mtp, tmp_path))
    loaded = load_draft(model, tmp_path)
    assert loaded is not None
    bias = "block.mlp.gate.e_score_correction_bias"
    assert model.state_dict()["model.layers.2.mlp.gate.e_score_correction_bias"].dtype == (
        torch.float32
    )
    assert torch.equal(loaded.state_dict()[bias], mtp.state_dict()[bias])
    assert loaded.eh_proj.weight.dtype == torch.bfloat16


def test_a_checkpoint_without_one_has_none(main: DeepseekV3ForCausalLM, tmp_path: Path) -> None:
    main.config.architectures = ["DeepseekV3ForCausalLM"]
    save_weights(tmp_path, checkpoint_tensors(main), main.config, tiny_moe.tokenizer())
    assert load_draft(load_model(Model(path=""), tmp_path), tmp_path) is None
