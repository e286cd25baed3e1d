"""Router replay: the trainer's own choice changes nothing, and another one is followed exactly."""

import pytest
import tiny_moe
import torch
from small_policies import CPU, sequences
from torch import Tensor
from transformers import DeepseekV3ForCausalLM
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3TopkRouter

from grpo.model.replay import RouterReplay, gate_weights
from grpo.train.policy import score
from grpo.train.scored import ScoredLM
from grpo.train.sequences import Inputs, Sequences

# L = 2 layers with experts (1 and 2), E = 8 experts, K = 2 a token; 5 sequences
ROWS = sequences(5, seed=3)


@pytest.fixture
def model() -> DeepseekV3ForCausalLM:
    return tiny_moe.model()


@torch.no_grad()
def own(model: DeepseekV3ForCausalLM, rows: Sequences) -> list[Tensor]:
    """What the model's routers choose for each sequence by itself, [tokens - 1, L, K]."""
    noted: list[Tensor] = []
    routers = [part for part in model.modules() if isinstance(part, DeepseekV3TopkRouter)]
    handles = [r.register_forward_hook(lambda _, __, out: noted.append(out[2])) for r in routers]
    chosen = []
    for prompt, completion in zip(rows.prompts, rows.completions, strict=True):
        noted.clear()
        model(torch.tensor([[*prompt, *completion]]))
        chosen.append(torch.stack(noted, dim=1)[:-1])
    for handle in handles:
        handle.remove()
    return chosen


def told(rows: Sequences, experts: list[Tensor], packing: int = 0) -> Sequences:
    return Sequences(rows.prompts, rows.completions, packing, experts)


def everything(rows: Sequences) -> Inputs:
    return rows.inputs([[row] for row in range(len(rows))], CPU)


def logprobs(scored: ScoredLM, rows: Sequences, budget: int = 10_000) -> Tensor:
    return score(scored, rows, temperature=1.0, budget=budget, device=CPU)


def gradient(scored: ScoredLM, rows: Sequences) -> dict[str, Tensor]:
    scored.zero_grad()
    scored(everything(rows), temperature=1.0).logprobs_BT.sum().backward()
    return {name: p.grad.clone() for name, p in scored.named_parameters() if p.grad is not None}


def flipped(experts: list[Tensor], row: int, token: int, layer: int) -> list[Tensor]:
    """The choice with other experts for one token in one layer: both moved on by one."""
    changed = [one.clone() for one in experts]
    changed[row][token, layer] = (changed[row][token, layer] + 1) % 8
    return changed


@pytest.mark.parametrize("packing", [0, 40])
def test_its_own_choice_changes_nothing(model: DeepseekV3ForCausalLM, packing: int) -> None:
    rows, experts = ROWS, own(model, ROWS)
    plain, replayed = ScoredLM(model), ScoredLM(model)
    before = Sequences(rows.prompts, rows.completions, packing)
    expected, gradients = logprobs(plain, before), gradient(plain, rows)
    replayed.replay.follows = True
    assert torch.equal(logprobs(replayed, told(rows, experts, packing)), expected)
    differ = replayed.replay.take()
    # Every sequence has a token less than its length, 1 of 9 and 1 of 12 at most.
    assert int(differ.tokens) == sum(rows.lengths) - len(rows)
    assert (differ.layers_L.tolist(), float(differ.anywhere)) == ([0, 0], 0)
    after = gradient(replayed, told(rows, experts))
    assert after.keys() == gradients.keys()
    assert all(torch.equal(after[name], gradients[name]) for name in after)


def test_a_choice_is_followed_where_it_was_made(model: DeepseekV3ForCausalLM) -> None:
    scored = ScoredLM(model)
    scored.replay.follows = True
    experts = own(model, ROWS)
    row = max(range(5), key=lambda i: len(ROWS.completions[i]))
    place = 3  # in the completion; what is drawn behind it sees the change, what is before does not
    token = len(ROWS.prompts[row]) + place
    other = logprobs(scored, told(ROWS, flipped(experts, row, token, 1)))
    change = other - logprobs(scored, told(ROWS, experts))
    assert change[row, : place + 1].abs().max() < 1e-5
    assert change[row, place + 1].abs() > 1e-3
    rest = [other for other in range(5) if other != row]
    assert change[rest].abs().max() < 1e-5


@torch.no_grad()
def test_a_followed_token_goes_through_those_experts(model: DeepseekV3ForCausalLM) -> None:
    layer, replay = model.model.layers[2].mlp, RouterReplay(model)
    replay.follows = True
    x_1D = torch.randn(1, 64, generator=torch.Generator().manual_seed(0))
    given = torch.tensor([5, 2])
    with replay.given(torch.stack([torch.zeros(2), given]).short()[None, None]):
        got = layer(x_1D[None])[0]
    scores = (layer.gate.weight @ x_1D[0]).sigmoid()
    # s_5 / (s_5 + s_2) and s_2 / (s_5 + s_2), times the scaling factor of 2.5
    weights = 2.5 * scores[given] / scores[given].sum()
    expected = layer.shared_experts(x_1D)[0]
    for expert, weight in zip((5, 2), weights, strict=True):
        gate, up = (layer.experts.gate_up_proj[expert] @ x_1D[0]).chunk(2)
        hidden = torch.nn.functional.silu(gate) * up
        expected = expected + weight * (layer.experts.down_proj[expert] @ hidden)
    torch.testing.assert_close(got[0], expected, atol=1e-5, rtol=1e-5)


def test_the_weights_are_the_routers(model: DeepseekV3ForCausalLM) -> None:
    router = model.model.layers[1].mlp.gate
    x_ND = torch.randn(7, 64, generator=torch.Generator().manual_seed(1))
    logits, weights, chosen = router(x_ND)
    assert torch.equal(gate_weights(router, logits, chosen), weights)
    router.norm_topk_prob = False
    logits, weights, chosen = router(x_ND)
    assert torch.equal(gate_weights(router, logits, chosen), weights)


def test_gradients_reach_the_router_through_the_given_experts(
    model: DeepseekV3ForCausalLM,
) -> None:
    scored = ScoredLM(model)
    scored.replay.follows = True
    # Every token takes experts 1 and 6 in both layers; the last of a sequence, of whom nothing is
    # known, is scored by nobody.
    experts = [torch.tensor([1, 6]).expand(n - 1, 2, 2) for n in ROWS.lengths]
    gradients = gradient(scored, told(ROWS, experts))
    for layer in (1, 2):
        gate_E = gradients[f"model.model.layers.{layer}.mlp.gate.weight"].abs().sum(1)
        assert gate_E.nonzero().flatten().tolist() == [1, 6]


def test_what_differs_is_counted_once_a_token(model: DeepseekV3ForCausalLM) -> None:
    scored, experts = ScoredLM(model), own(model, ROWS)
    row = max(range(5), key=lambda i: ROWS.lengths[i])
    # Tokens 0 and 1 differ in layer 1, tokens 1 and 2 in layer 2: three tokens in all.
    for token, layer in ((0, 0), (1, 0), (1, 1), (2, 1)):
        experts = flipped(experts, row, token, layer)
    # Another order of the same two is the same choice.
    experts[row][3] = experts[row][3].flip(-1)
    plain = logprobs(scored, ROWS, budget=20)
    assert torch.equal(logprobs(scored, told(ROWS, experts), budget=20), plain)
    differ = scored.replay.take()
    assert differ.layers_L.tolist() == [2, 2]
    assert float(differ.anywhere) == 3
    assert float(differ.tokens) == sum(ROWS.lengths) - 5
    assert float(scored.replay.take().tokens) == 0


def test_nothing_is_left_behind_for_the_next_forward(model: DeepseekV3ForCausalLM) -> None:
    scored, experts = ScoredLM(model), own(model, ROWS)
    before = logprobs(scored, ROWS)
    scored.replay.follows = True
    logprobs(scored, told(ROWS, flipped(experts, 0, 0, 0)))
    assert torch.equal(logprobs(scored, ROWS), before)
    ids = torch.tensor([[7, 8, 9]])
    assert torch.equal(model(ids).logits, tiny_moe.model()(ids).logits)


def test_recomputed_activations_follow_as_well(model: DeepseekV3ForCausalLM) -> None:
    experts = own(model, ROWS)
    for token in range(4):
        experts = flipped(experts, max(range(5), key=lambda i: ROWS.lengths[i]), token, token % 2)
    straight = ScoredLM(model)
    straight.replay.follows = True
    expected, counted = gradient(straight, told(ROWS, experts)), straight.replay.take()
    again = ScoredLM(tiny_moe.model().train())
    again.model.gradient_checkpointing_enable({"use_reentrant": False})
    again.replay.follows = True
    got = gradient(again, told(ROWS, experts))
    assert got.keys() == expected.keys()
    for name, value in got.items():
        torch.testing.assert_close(value, expected[name], atol=1e-5, rtol=1e-5)
    differ = again.replay.take()
    assert differ.layers_L.tolist() == counted.layers_L.tolist()
    assert (differ.anywhere, differ.tokens) == (counted.anywhere, counted.tokens)


def test_another_models_choice_is_refused(model: DeepseekV3ForCausalLM) -> None:
    scored = ScoredLM(model)
    for layers, chosen in ((3, 2), (2, 4)):
        experts = [torch.zeros(n - 1, layers, chosen, dtype=torch.uint8) for n in ROWS.lengths]
        with pytest.raises(ValueError, match=f"{chosen} experts in each of {layers} layers"):
            logprobs(scored, told(ROWS, experts))


def test_layers_go_by_their_number(model: DeepseekV3ForCausalLM) -> None:
    # Layer 0 is dense.
    assert RouterReplay(model).layers == [1, 2]


def test_experts_stand_where_their_tokens_stand() -> None:
    trio = Sequences([(5, 6), (7,), (8, 9, 10)], [(1, 2), (4,), (5,)], packing=5)
    # 3, 1 and 3 tokens were read; token t of sequence i took experts 10 i + t and 90 in one layer.
    reads = [3, 1, 3]
    experts = [
        torch.tensor([[[10 * i + t, 90]] for t in range(n)], dtype=torch.uint8)
        for i, n in enumerate(reads)
    ]
    alone = told(trio, experts).inputs([[0], [1], [2]], CPU).experts_RSLK
    assert alone is not None and alone.shape == (3, 4, 1, 2)
    assert alone[:, :, 0, 0].tolist() == [[0, 1, 2, -1], [10, -1, -1, -1], [20, 21, 22, -1]]
    packed = told(trio, experts, packing=6).inputs([[2, 1], [0]], CPU).experts_RSLK
    assert packed is not None
    assert packed[:, :, 0, 0].tolist() == [[20, 21, 22, -1, 10, -1], [0, 1, 2, -1, -1, -1]]
    assert (packed[..., 1] == 90).equal(packed[..., 0] >= 0)
    assert told(trio, experts).rows([2, 0]).experts == [experts[2], experts[0]]
