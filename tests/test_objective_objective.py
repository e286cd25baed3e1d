"""The whole objective on a batch of two completions, term by term, by hand; SFT beside it."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from grpo.objective import GrpoObjective, ObjectiveBatch, PolicyBatch, SftObjective, mean_stats

LN2 = math.log(2)
NAN = torch.nan

# Two completions of 3 and 1 tokens, advantages +1 and -1. Padding is as foul as it can be.
MASK = torch.tensor([[1, 1, 1], [1, 0, 0]])
LOGP = torch.tensor([[-1.0, -2.0, -1.0], [-2.0, NAN, 500.0]])
RATIO = torch.tensor([[1.5, 1.0, 0.5], [0.5, 1.0, 1.0]])
OLD = torch.where(MASK.bool(), LOGP - RATIO.log(), torch.tensor([-500.0, NAN, -500.0]))
ENTROPY = torch.tensor([[1.0, 2.0, 3.0], [4.0, NAN, NAN]])
ADVANTAGES = torch.tensor([1.0, -1.0])
# ref/pi is 2 at the first token and 1 elsewhere: k3 = 2 - ln 2 - 1 = .306853 and 0
REF = torch.where(MASK.bool(), LOGP, NAN) + torch.tensor([[LN2, 0.0, 0.0], [0.0, 0.0, 0.0]])
K3 = 1 - LN2


def policy_batch(objective: GrpoObjective, ref: Tensor | None = None) -> PolicyBatch:
    weights = objective.weights(MASK, total_sequences=2, total_tokens=4)
    return PolicyBatch(MASK, weights, OLD, ADVANTAGES, ref_logprobs_BT=ref)


def loss_of(objective: GrpoObjective, batch: PolicyBatch | None = None) -> float:
    return float(objective(LOGP, ENTROPY, batch or policy_batch(objective))[0])


def objective(loss: str = "dapo", beta: float = 0.0, **knobs: object) -> GrpoObjective:
    return GrpoObjective(max_completion_length=5, loss=loss, beta=beta, **knobs)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        # token losses: -min(1.5, 1.2) = -1.2, -1, -.5 (sum -2.7); -min(-.5, -.8) = .8
        ("grpo", (-2.7 / 3 + 0.8) / 2),  # -.05
        ("dapo", (-2.7 + 0.8) / 4),  # -.475
        ("dr_grpo", (-2.7 + 0.8) / (2 * 5)),  # -.19
        # geometric means: (1.5 * 1 * .5)^(1/3) = .908560, not clipped; .5, clipped to .8
        ("gspo", (-0.908560 + 0.8) / 2),
        # -w A log pi: 1.2 * 1, 1 * 2, .5 * 1 (sum 3.7); -.5 * -1 * -2 = -1
        ("cispo", (3.7 - 1) / 4),
    ],
)
def test_policy_loss_and_its_aggregation(loss: str, expected: float) -> None:
    assert loss_of(objective(loss)) == pytest.approx(expected, abs=1e-6)


def test_a_completion_without_old_log_probs_is_of_the_policy_that_learns() -> None:
    held = objective("dapo")
    old = torch.where(torch.tensor([[True], [False]]), NAN, OLD)
    batch = replace(policy_batch(held), old_logprobs_BT=old)
    logp = LOGP.clone().requires_grad_()
    loss, stats = held(logp, ENTROPY, batch)
    loss.backward()
    # ratios of 1: -1 three times; of .5, clipped to .8, as before
    assert loss.item() == pytest.approx((-3 + 0.8) / 4, abs=1e-6)
    assert mean_stats(stats)["clip_ratio/region_mean"] == 1 / 4
    # d/dlogp of -1/4 rho A at rho = 1; the clipped token has none
    assert logp.grad is not None
    torch.testing.assert_close(logp.grad, torch.tensor([[-0.25] * 3, [0.0] * 3]))


def test_the_aggregation_is_a_choice_of_its_own() -> None:
    assert loss_of(objective("grpo", aggregation="token_mean")) == pytest.approx(-0.475, abs=1e-6)
    assert loss_of(objective("dapo", aggregation="constant")) == pytest.approx(-0.19, abs=1e-6)


@pytest.mark.parametrize(
    ("knobs", "kl"),
    [
        ({"kl": "k1"}, -LN2),
        ({"kl": "k2"}, LN2**2 / 2),
        ({"kl": "k3"}, K3),
        ({"kl": "k3", "kl_bias_correction": True}, 1.5 * K3),  # times that token's ratio
    ],
)
def test_kl_is_added_under_the_same_weights(knobs: dict[str, object], kl: float) -> None:
    for loss, policy, weight in (("dapo", -0.475, 1 / 4), ("grpo", -0.05, 1 / 6)):
        held = objective(loss, beta=0.1, **knobs)
        total, stats = held(LOGP, ENTROPY, policy_batch(held, REF))
        assert float(total) == pytest.approx(policy + 0.1 * kl * weight, abs=1e-6)
        assert mean_stats(stats)["kl"] == pytest.approx(kl / 4, abs=1e-6)


def test_with_beta_0_a_reference_is_measured_and_does_not_pull() -> None:
    held = objective(beta=0.0)
    loss, stats = held(LOGP, ENTROPY, policy_batch(held, REF))
    assert float(loss) == pytest.approx(-0.475, abs=1e-6)
    assert mean_stats(stats)["kl"] == pytest.approx(K3 / 4, abs=1e-6)
    assert "kl" not in held(LOGP, ENTROPY, policy_batch(held))[1]
    far = policy_batch(held, REF + 200)  # k3 is infinite, and 0 * inf would be NaN
    assert loss_of(held, far) == pytest.approx(-0.475, abs=1e-6)


def test_a_beta_without_a_reference_says_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"beta is 0\.1 but .* set beta to 0"):
        loss_of(objective(beta=0.1))


def test_the_entropy_bonus_is_subtracted() -> None:
    # token mean of 1, 2, 3, 4 is 2.5; mean of means (2 + 4) / 2 = 3
    assert loss_of(objective(entropy_coef=0.1)) == pytest.approx(-0.475 - 0.25, abs=1e-6)
    assert loss_of(objective("grpo", entropy_coef=0.1)) == pytest.approx(-0.05 - 0.3, abs=1e-6)
    assert objective(entropy_coef=0.1).entropy_grad and not objective().entropy_grad


def test_the_correction_multiplies_the_policy_loss_and_not_the_kl() -> None:
    held = objective(beta=0.1)
    correction = torch.tensor([[2.0, 1.0, 1.0], [0.5, 0.0, 0.0]])
    batch = replace(policy_batch(held, REF), correction_BT=correction)
    # 2 * -1.2 - 1 - .5 + .5 * .8 = -3.5
    assert loss_of(held, batch) == pytest.approx(-3.5 / 4 + 0.1 * K3 / 4, abs=1e-6)


def test_a_dead_group_moves_nothing_but_the_kl() -> None:
    held = objective(beta=0.1)
    batch = replace(policy_batch(held, REF), advantages_B=torch.zeros(2))
    assert loss_of(held, batch) == pytest.approx(0.1 * K3 / 4, abs=1e-6)
    logp = LOGP.clone().requires_grad_()
    held(logp, ENTROPY, replace(batch, ref_logprobs_BT=LOGP))[0].backward()
    assert logp.grad is not None and logp.grad.eq(0).all()  # at the reference k3 is flat


def test_stats_count_tokens() -> None:
    held = objective()
    stats = held(LOGP, ENTROPY, policy_batch(held))[1]
    assert {name: (float(stat.total), float(stat.count)) for name, stat in stats.items()} == {
        "entropy": (10.0, 4.0),
        "clip_ratio/low_mean": (1.0, 4.0),
        "clip_ratio/high_mean": (1.0, 4.0),
        "clip_ratio/region_mean": (2.0, 4.0),
    }


def test_stats_of_a_sequence_ratio_count_completions() -> None:
    held = objective("gspo")
    stats = held(LOGP, ENTROPY, policy_batch(held))[1]
    low = stats["clip_ratio/low_mean"]
    assert (float(low.total), float(low.count)) == (1.0, 2.0)


@pytest.mark.parametrize("loss", ["grpo", "dr_grpo", "dapo", "gspo", "cispo"])
def test_padding_touches_neither_loss_nor_gradient(loss: str) -> None:
    held = objective(loss, beta=0.1, entropy_coef=0.1, kl_bias_correction=True)
    logp = LOGP.clone().requires_grad_()
    entropy = ENTROPY.clone().requires_grad_()
    total, stats = held(logp, entropy, policy_batch(held, REF))
    total.backward()
    assert total.isfinite() and all(stat.total.isfinite() for stat in stats.values())
    assert logp.grad is not None and entropy.grad is not None
    assert logp.grad[MASK == 0].eq(0).all() and entropy.grad[MASK == 0].eq(0).all()
    assert logp.grad[MASK == 1].isfinite().all()
    assert not any(stat.total.requires_grad for stat in stats.values())


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"loss": "ppo"}, "loss is 'ppo'; choose one of: grpo, dr_grpo, dapo, gspo, cispo"),
        ({"kl": "k4"}, "kl is 'k4'"),
        ({"aggregation": "mean"}, "aggregation is 'mean'; choose one of: sequence_mean"),
    ],
)
def test_an_unknown_name_fails_when_the_objective_is_made(
    knobs: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        objective(**knobs)  # type: ignore[arg-type]


def test_sft_is_the_token_mean_of_the_negative_log_likelihood() -> None:
    sft = SftObjective()
    batch = ObjectiveBatch(MASK, sft.weights(MASK, total_sequences=2, total_tokens=4))
    logp = LOGP.clone().requires_grad_()
    loss, stats = sft(logp, ENTROPY, batch)
    assert loss.item() == pytest.approx((1 + 2 + 1 + 2) / 4)
    assert mean_stats(stats) == {"nll": pytest.approx(1.5), "entropy": pytest.approx(2.5)}
    loss.backward()
    assert logp.grad is not None
    assert logp.grad.tolist() == [[-0.25, -0.25, -0.25], [-0.25, 0.0, 0.0]]
