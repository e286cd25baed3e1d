"""The MTP layers: what they predict, by a forward written out here, and how they lie on disk."""

from pathlib import Path

import pytest
import tiny_moe
import torch
from torch import Tensor, nn
from transformers import DeepseekV3ForCausalLM

from grpo.checkpoint.weights import load_weights, save_weights
from grpo.errors import UserError
from grpo.model.depth import draft_depth, heads_in
from grpo.model.load import load_draft, load_model
from grpo.model.mtp import Mtp, mtp_tensors
from grpo.model.names import checkpoint_tensors
from grpo.recipe.sections import Model

N = tiny_moe.LAYERS
HEAD = f"model.layers.{N}."
# B = 2 sequences, T = 9 tokens
IDS_BT = torch.randint(6, 262, (2, 9), generator=torch.Generator().manual_seed(7))


def draft(main: DeepseekV3ForCausalLM, seed: int = 5) -> Mtp:
    """MTP layers of random weights, large enough for every part to matter."""
    mtp = Mtp(main)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in mtp.state_dict().items():
            weight.copy_(tiny_moe._random(name, weight, generator))
    return mtp.eval()


def deep(depth: int) -> DeepseekV3ForCausalLM:
    return tiny_moe.model(num_nextn_predict_layers=depth)


@pytest.fixture(scope="module")
def main() -> DeepseekV3ForCausalLM:
    return deep(1)


@pytest.fixture(scope="module")
def mtp(main: DeepseekV3ForCausalLM) -> Mtp:
    return draft(main)


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + eps).sqrt() * weight


def written_out(main: DeepseekV3ForCausalLM, mtp: Mtp, ids_BT: Tensor) -> list[Tensor]:
    """h^k_i = Block_k(W [norm(embed(t_{i+k})) ; norm(h^{k-1}_i)]), one position after the other."""
    eps = main.config.rms_norm_eps
    hidden_BTD = main.model(ids_BT, use_cache=False).last_hidden_state
    states = []
    for k, layer in enumerate(mtp.layers, start=1):
        inputs = []
        for i in range(ids_BT.shape[1] - k):
            embed = main.model.embed_tokens.weight[ids_BT[:, i + k]]
            embed = torch.zeros_like(embed) if i == 0 else embed
            both = [
                rms_norm(embed, layer.enorm.weight, eps),
                rms_norm(hidden_BTD[:, i], layer.hnorm.weight, eps),
            ]
            inputs.append(torch.cat(both, dim=-1) @ layer.eh_proj.weight.T)
        x_BSD = _block(main, layer.block, torch.stack(inputs, dim=1))
        hidden_BTD = rms_norm(x_BSD, layer.norm.weight, eps)
        states.append(hidden_BTD)
    return states


def _block(main: DeepseekV3ForCausalLM, block: nn.Module, x_BSD: Tensor) -> Tensor:
    """The decoder layer with its causal mask spelt out."""
    length = x_BSD.shape[1]
    mask = torch.full((length, length), -torch.inf).triu(1)[None, None]
    rotary = main.model.rotary_emb(x_BSD, torch.arange(length)[None])
    normed = block.input_layernorm(x_BSD)
    mixed, _ = block.self_attn(normed, position_embeddings=rotary, attention_mask=mask)
    x_BSD = x_BSD + mixed
    return x_BSD + block.mlp(block.post_attention_layernorm(x_BSD))


@torch.no_grad()
def predicted(main: DeepseekV3ForCausalLM, mtp: Mtp, ids_BT: Tensor) -> list[Tensor]:
    """What each layer says at the places whose next tokens are known."""
    hidden_BTD = main.model(ids_BT, use_cache=False).last_hidden_state
    depths = range(1, mtp.depth + 1)
    out = mtp(main, hidden_BTD, [ids_BT.roll(-k, 1) for k in depths])
    return [states_BTD[:, :-k] for k, states_BTD in zip(depths, out, strict=True)]


@torch.no_grad()
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_they_predict_as_it_is_written(depth: int) -> None:
    main = deep(depth)
    mtp = draft(main)
    expected, found = written_out(main, mtp, IDS_BT), predicted(main, mtp, IDS_BT)
    assert len(found) == len(expected) == depth
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
        # The tolerance is far below what the parts come to.
        assert theirs.std() > 0.1


@torch.no_grad()
def test_each_stands_on_the_one_before() -> None:
    main = deep(2)
    mtp = draft(main)
    before = predicted(main, mtp, IDS_BT)
    mtp.layers[0].norm.weight[:32] *= 1.5
    after = predicted(main, mtp, IDS_BT)
    assert all((one - other).abs().max() > 1e-3 for one, other in zip(before, after, strict=True))


def test_detached_they_teach_nothing_but_themselves() -> None:
    for detached in (True, False):
        main = deep(2)
        mtp = draft(main)
        hidden_BTD = main.model(IDS_BT, use_cache=False).last_hidden_state
        ahead_KBT = [IDS_BT.roll(-k, 1) for k in (1, 2)]
        states = mtp(main, hidden_BTD, ahead_KBT, detached=detached)
        torch.stack(states).square().sum().backward()
        taught = {name for name, one in main.named_parameters() if one.grad is not None}
        assert bool(taught) is not detached
        # The second's loss reaches the first: only what is the model's own is cut off.
        assert all(one.grad is not None for one in mtp.layers[0].enorm.parameters())


@torch.no_grad()
def test_the_embedding_at_the_first_place_is_nought(main: DeepseekV3ForCausalLM, mtp: Mtp) -> None:
    hidden = main.model(IDS_BT, use_cache=False).last_hidden_state
    next_ids = IDS_BT.roll(-1, 1)
    other_first, other_second = next_ids.clone(), next_ids.clone()
    other_first[:, 0] += 1
    other_second[:, 1] += 1
    said, first, second = (
        mtp(main, hidden, [ids])[0] for ids in (next_ids, other_first, other_second)
    )
    assert torch.equal(said, first)
    assert not torch.equal(said, second)


@torch.no_grad()
def test_it_sees_one_token_ahead_and_no_further(main: DeepseekV3ForCausalLM, mtp: Mtp) -> None:
    changed = IDS_BT.clone()
    changed[:, 5] = 6 + (changed[:, 5] - 5) % 256  # another token at position 5
    (before,), (after,) = predicted(main, mtp, IDS_BT), predicted(main, mtp, changed)
    # Place 4 has token 5 as its next; nothing before it may know.
    torch.testing.assert_close(before[:, :4], after[:, :4], atol=1e-6, rtol=0)
    assert (before[:, 4:] - after[:, 4:]).abs().amax(-1).min() > 1e-3


@torch.no_grad()
def test_it_stands_on_the_state_after_the_final_norm(main: DeepseekV3ForCausalLM, mtp: Mtp) -> None:
    # What the trainer hands over, `last_hidden_state`, is what the main head reads.
    hidden = main.model(IDS_BT, use_cache=False).last_hidden_state
    torch.testing.assert_close(main.lm_head(hidden), main(IDS_BT).logits)


def test_its_names_are_those_of_layer_n(main: DeepseekV3ForCausalLM, mtp: Mtp) -> None:
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
    main: DeepseekV3ForCausalLM, mtp: Mtp
) -> None:
    tensors = mtp_tensors(mtp, main)
    assert tensors[HEAD + "embed_tokens.weight"].equal(main.model.embed_tokens.weight)
    assert tensors[HEAD + "shared_head.head.weight"].equal(main.lm_head.weight)
    assert not any(tensor.requires_grad for tensor in checkpoint_tensors(main, mtp=mtp).values())


def saved(main: DeepseekV3ForCausalLM, mtp: Mtp, folder: Path) -> Path:
    tensors = checkpoint_tensors(main, mtp=mtp)
    main.config.architectures = ["DeepseekV3ForCausalLM"]
    save_weights(folder, tensors, main.config, tiny_moe.tokenizer())
    return folder


@pytest.mark.parametrize("depth", [1, 2])
def test_they_come_back_bit_for_bit(depth: int, tmp_path: Path) -> None:
    main = deep(depth)
    mtp = draft(main)
    folder = saved(main, mtp, tmp_path)
    model = load_model(Model(path=""), folder)
    loaded = load_draft(model, folder)
    assert loaded is not None and loaded.depth == draft_depth(folder) == depth
    for name, tensor in mtp.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    for ours, theirs in zip(
        predicted(model, loaded, IDS_BT), predicted(main, mtp, IDS_BT), strict=True
    ):
        assert torch.equal(ours, theirs)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    again = checkpoint_tensors(model, mtp=loaded)
    on_disk = dict(load_weights(folder))
    assert set(again) == set(on_disk)
    assert all(torch.equal(again[name], on_disk[name]) for name in again)


def test_in_half_precision_the_router_bias_stays_whole(
    main: DeepseekV3ForCausalLM, mtp: Mtp, tmp_path: Path
) -> None:
    model = load_model(Model(path="", dtype="bfloat16"), saved(main, mtp, tmp_path))
    loaded = load_draft(model, tmp_path)
    assert loaded is not None
    bias = "layers.0.block.mlp.gate.e_score_correction_bias"
    assert model.state_dict()["model.layers.2.mlp.gate.e_score_correction_bias"].dtype == (
        torch.float32
    )
    assert torch.equal(loaded.state_dict()[bias], mtp.state_dict()[bias])
    assert loaded.layers[0].eh_proj.weight.dtype == torch.bfloat16


def test_a_checkpoint_without_one_has_none(main: DeepseekV3ForCausalLM, tmp_path: Path) -> None:
    main.config.architectures = ["DeepseekV3ForCausalLM"]
    save_weights(tmp_path, checkpoint_tensors(main), main.config, tiny_moe.tokenizer())
    assert load_draft(load_model(Model(path=""), tmp_path), tmp_path) is None


@pytest.mark.parametrize(("there", "said"), [(2, 1), (1, 2), (1, 0)])
def test_a_depth_that_config_and_weights_do_not_share_is_a_sentence(
    there: int, said: int, tmp_path: Path
) -> None:
    main = deep(there)
    folder = saved(main, draft(main), tmp_path)
    tiny_moe.edit_config(folder, num_nextn_predict_layers=said)
    model = load_model(Model(path=""), folder)
    with pytest.raises(UserError, match=rf"holds {there} multi-token.*predict_layers {said}; wri"):
        load_draft(model, folder)


def test_the_layers_after_the_last_are_the_draft_s(tmp_path: Path) -> None:
    main = deep(2)
    assert heads_in(saved(main, draft(main), tmp_path)) == ("model.layers.3.", "model.layers.4.")
