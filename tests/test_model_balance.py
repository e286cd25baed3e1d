"""Balancing experts: who is counted, how biases move, and that a bias only ever chooses."""

import pytest
import tiny_moe
import torch
from torch import Tensor
from transformers import DeepseekV3ForCausalLM
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3TopkRouter

from grpo.model.balance import (
    RouterWatch,
    dead_share,
    died_share,
    max_violation,
    move_biases,
    sequence_balance,
)
from grpo.model.mtp import Mtp

# E = 8 experts in 4 groups of which 2, K = 2 chosen, 2 layers with experts


@pytest.fixture
def model() -> DeepseekV3ForCausalLM:
    return tiny_moe.model()


def sequences(*lengths: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(6, 262, (1, length), generator=generator) for length in lengths]


def together(rows: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The rows padded on the right with token 0, and where they are real."""
    width = max(row.shape[1] for row in rows)
    ids = torch.cat([torch.nn.functional.pad(row, (0, width - row.shape[1])) for row in rows])
    real = torch.stack([torch.arange(width) < row.shape[1] for row in rows])
    return ids, real


@torch.no_grad()
def loads(model: DeepseekV3ForCausalLM, rows: list[Tensor]) -> Tensor:
    """Tokens of each row that chose each expert, [layers, E], counted one choice at a time."""
    chosen: list[list[int]] = [[], []]
    handles = [
        router.register_forward_hook(
            lambda _, __, output, layer=layer: chosen[layer].extend(output[2].flatten().tolist())
        )
        for layer, router in enumerate(RouterWatch(model).routers)
    ]
    for row in rows:
        model(row)
    for handle in handles:
        handle.remove()
    return torch.tensor([[float(layer.count(e)) for e in range(8)] for layer in chosen])


@torch.no_grad()
def test_real_tokens_are_counted_and_padding_is_not(model: DeepseekV3ForCausalLM) -> None:
    rows = sequences(12, 5, 1)
    expected = loads(model, rows)
    watch = RouterWatch(model)
    ids, real = together(rows)
    with watch.watching(real):
        model(ids)
    assert torch.equal(watch.load_LE, expected)
    assert watch.load_LE.sum(1).tolist() == [36, 36]  # 18 real tokens, 2 experts each
    with watch.watching(real):
        model(ids)
    assert torch.equal(watch.load_LE, 2 * expected)
    watch.reset()
    assert watch.load_LE.count_nonzero() == 0


@torch.no_grad()
def test_forwards_outside_are_not_watched(model: DeepseekV3ForCausalLM) -> None:
    watch = RouterWatch(model)
    (row,) = sequences(6)
    model(row)
    assert watch.load_LE.count_nonzero() == 0
    with pytest.raises(RuntimeError), watch.watching(torch.ones(1, 6, dtype=torch.bool)):
        raise RuntimeError
    model(row)
    assert watch.load_LE.count_nonzero() == 0


def test_layers_have_their_checkpoint_numbers(model: DeepseekV3ForCausalLM) -> None:
    # The first of three layers is dense, and MTP layers are stored behind the last.
    assert RouterWatch(model).layers == [1, 2]
    assert RouterWatch(model, Mtp(model, 2)).layers == [1, 2, 3, 4]


def test_a_dense_model_has_no_routers() -> None:
    watch = RouterWatch(torch.nn.Linear(2, 2))
    assert watch.routers == [] and watch.load_LE.shape == (0, 0)


def test_biases_move_against_the_load_each_layer_by_its_own(model: DeepseekV3ForCausalLM) -> None:
    watch = RouterWatch(model)
    start = [router.e_score_correction_bias.clone() for router in watch.routers]
    # Means 4 and 2: more than that goes down, less goes up, just that stays.
    watch.load_LE = torch.tensor(
        [[9.0, 4.0, 3.0, 4.0, 0.0, 4.0, 4.0, 4.0], [0.0, 0.0, 0.0, 16.0, 0.0, 0.0, 0.0, 0.0]]
    )
    move_biases(watch, 0.01)
    moved = [
        router.e_score_correction_bias - before
        for router, before in zip(watch.routers, start, strict=True)
    ]
    up, down = 0.01, -0.01
    expected = [[down, 0, up, 0, up, 0, 0, 0], [up, up, up, down, up, up, up, up]]
    torch.testing.assert_close(torch.stack(moved), torch.tensor(expected), atol=1e-7, rtol=0)


def test_without_speed_they_stay(model: DeepseekV3ForCausalLM) -> None:
    watch = RouterWatch(model)
    start = [router.e_score_correction_bias.clone() for router in watch.routers]
    watch.load_LE = torch.rand(2, 8)
    move_biases(watch, 0.0)
    for router, before in zip(watch.routers, start, strict=True):
        assert torch.equal(router.e_score_correction_bias, before)


def test_moving_biases_evens_the_load(model: DeepseekV3ForCausalLM) -> None:
    watch = RouterWatch(model)
    rows = sequences(100)
    real = torch.ones(1, 100, dtype=torch.bool)
    violations = []
    for _ in range(30):
        watch.reset()
        with torch.no_grad(), watch.watching(real):
            model(rows[0])
        violations.append(max_violation(watch.load_LE))
        move_biases(watch, 0.02)
    assert violations[-1] < violations[0] / 2


@torch.no_grad()
def test_the_bias_chooses_but_never_weighs(model: DeepseekV3ForCausalLM) -> None:
    (router, *_) = RouterWatch(model).routers
    x_ND = torch.randn(20, 64, generator=torch.Generator().manual_seed(3))
    router.e_score_correction_bias.zero_()
    router.e_score_correction_bias[[2, 5]] = 10.0  # groups 1 and 2: both may be chosen
    _, weights_NK, chosen_NK = router(x_ND)
    assert chosen_NK.sort(-1).values.tolist() == [[2, 5]] * 20
    score_NK = (x_ND @ router.weight.T).sigmoid().gather(1, chosen_NK)
    expected = score_NK / score_NK.sum(-1, keepdim=True) * model.config.routed_scaling_factor
    torch.testing.assert_close(weights_NK, expected)


def test_sequence_balance_by_hand() -> None:
    # B = 2, T = 2, E = 2, K = 1. f_i = E / (K T) * choices = choices here.
    score = torch.tensor([[[0.8, 0.2], [0.6, 0.4]], [[0.4, 0.4], [0.1, 0.9]]])
    hit = torch.tensor([[[1.0, 0], [1, 0]], [[1, 0], [0, 1]]])
    real = torch.ones(2, 2, dtype=torch.bool)
    # First: f = (2, 0), P = (0.7, 0.3): 1.4. Second: f = (1, 1), P sums to 1: 1.
    assert float(sequence_balance(score, hit, real, top_k=1)) == pytest.approx(1.2)


def test_sequence_balance_normalises_scores_and_leaves_padding_out() -> None:
    score = torch.tensor([[[0.4, 0.1, 0.3, 0.2], [0.9, 0.9, 0.9, 0.9]]])
    hit = torch.tensor([[[1.0, 0, 1, 0], [0, 0, 0, 0]]])
    real = torch.tensor([[True, False]])
    # T = 1 real token, E = 4, K = 2: f = 4 / 2 * (1, 0, 1, 0), P = score / 1: 2 * 0.4 + 2 * 0.3
    assert float(sequence_balance(score, hit, real, top_k=2)) == pytest.approx(1.4)
    doubled = float(sequence_balance(2 * score, hit, real, top_k=2))
    assert doubled == pytest.approx(1.4)


def test_even_routing_comes_to_one() -> None:
    score = torch.full((1, 4, 4), 0.3)
    hit = torch.eye(4)[None]
    real = torch.ones(1, 4, dtype=torch.bool)
    assert float(sequence_balance(score, hit, real, top_k=1)) == pytest.approx(1.0)


@torch.no_grad()
def test_the_losses_of_v3_and_v2_by_hand() -> None:
    shape = tiny_moe.config(
        hidden_size=2, n_routed_experts=2, num_experts_per_tok=1, n_group=1, topk_group=1
    )
    router = DeepseekV3TopkRouter(shape)
    router.weight.copy_(torch.eye(2))  # a token's logits are the token
    watch = RouterWatch(router, with_balance=True, with_expert_balance=True)
    odds_BTE = torch.tensor([[[3.0, 1.0], [9.0, 1.0]], [[1.0, 4.0], [3.0, 1.0]]])
    with watch.watching(torch.ones(2, 2, dtype=torch.bool)):
        router(odds_BTE.log())
    assert watch.load_LE.tolist() == [[3.0, 1.0]]
    # The second sequence chooses each expert once, f = (1, 1): both losses are 1 there. The first
    # has f = (2, 0). V2: softmax 3/4 and 9/10, so 2 x 0.825. V3: sigmoids of 3:1 and 1:1 are 3/4
    # and 1/2, of 9:1 are 9/10; 0.75 / 1.25 = 0.6 and 0.9 / 1.4 = 0.642857, so 2 x 0.6214286.
    assert float(watch.expert_balance) == pytest.approx((1.65 + 1) / 2)
    assert float(watch.balance) == pytest.approx((1.2428571 + 1) / 2)


@pytest.mark.parametrize("loss", ["balance", "expert_balance"])
def test_a_balance_loss_reaches_the_routers_where_it_is_asked_for(
    model: DeepseekV3ForCausalLM, loss: str
) -> None:
    ids, real = together(sequences(12, 5))
    knobs = {f"with_{loss}": True}
    plain, asked = RouterWatch(model), RouterWatch(model, **knobs)
    with plain.watching(real), asked.watching(real):
        model(ids)
    assert plain.balance == plain.expert_balance == 0.0
    mean = getattr(asked, loss)
    assert float(mean.detach()) > 2  # two layers, each 1 at best
    mean.backward()
    grads = [router.weight.grad for router in asked.routers]
    assert all(grad is not None and grad.abs().max() > 0 for grad in grads)


def test_max_violation_by_hand() -> None:
    # Layer means 2 and 2; (4 - 2) / 2 = 1 and (3 - 2) / 2 = 0.5.
    assert max_violation(torch.tensor([[4.0, 2, 2, 0], [3, 2, 2, 1]])) == pytest.approx(1.0)
    assert max_violation(torch.full((3, 8), 5.0)) == 0.0


def test_dead_experts_by_hand() -> None:
    now = torch.tensor([[4.0, 0, 0, 4], [0, 2, 4, 2]])
    before = torch.tensor([[1.0, 0, 3, 4], [2, 2, 2, 2]])
    # Three of eight have nothing; one of these had nothing before either.
    assert dead_share(now) == 3 / 8
    assert died_share(now, before) == 2 / 8
    assert dead_share(before) == 1 / 8 and died_share(before, before) == 0.0
