"""KL estimators at ratios of 2 and 1/2, by hand, and the KL in the reward."""

import math

import pytest
import torch

from grpo.objective import KL, kl_shaped_rewards, token_kl

LN2 = math.log(2)
LOGP = torch.tensor([[-1.0, -1.0, -1.0]])
REF = torch.tensor([[-1.0 - LN2, -1.0, -1.0 + LN2]])  # pi/ref is 2, 1, 1/2

BY_HAND = {
    "k1": [LN2, 0.0, -LN2],
    "k2": [LN2**2 / 2, 0.0, LN2**2 / 2],
    "k3": [0.5 + LN2 - 1, 0.0, 2 - LN2 - 1],  # r - ln r - 1 at r = 1/2, 1, 2
}


@pytest.mark.parametrize("kind", KL)
def test_by_hand(kind: str) -> None:
    torch.testing.assert_close(token_kl(LOGP, REF, kind=kind), torch.tensor([BY_HAND[kind]]))


def test_bias_correction_multiplies_by_the_ratio_and_lets_its_gradient_through() -> None:
    logp = LOGP.clone().requires_grad_()
    ratio = (logp - (LOGP - math.log(3))).exp()  # 3 everywhere
    kl = token_kl(logp, REF, kind="k3", bias_correction=ratio)
    torch.testing.assert_close(kl.detach(), 3 * torch.tensor([BY_HAND["k3"]]))
    kl.sum().backward()
    # d(ratio * k3)/dlogp = ratio * k3 + ratio * (1 - r) = 3 * (r - ln r - 1 + 1 - r) = -3 ln r
    torch.testing.assert_close(logp.grad, torch.tensor([[3 * LN2, 0.0, -3 * LN2]]))


def test_k3_keeps_its_digits_near_the_reference() -> None:
    gap = torch.tensor([[2e-4]])
    # x^2 / 2 + x^3 / 6 = 2e-8 + 1.3e-12; exp(x) - x - 1 in float32 is off by 1e-8 and more
    kl = token_kl(torch.zeros(1, 1), gap, kind="k3")
    torch.testing.assert_close(kl, torch.tensor([[2.0001e-8]]), rtol=1e-3, atol=0)


@pytest.mark.parametrize("kind", ["k1", "k3"])
def test_the_mean_over_samples_is_the_kl(kind: str) -> None:
    pi, ref = torch.tensor([0.5, 0.3, 0.2]).log(), torch.tensor([0.2, 0.3, 0.5]).log()
    exact = (pi.exp() * (pi - ref)).sum()  # .5 ln 2.5 + 0 + .2 ln .4 = .274887
    expected = (pi.exp() * token_kl(pi, ref, kind=kind)).sum()
    torch.testing.assert_close(expected, exact)


def test_kl_in_the_reward_sums_over_tokens_and_ignores_padding() -> None:
    logp = torch.tensor([[-1.0, -1.0], [-1.0, torch.nan]])
    ref = torch.tensor([[-1.0 - LN2, -1.0 - LN2], [-1.0 - LN2, 0.0]])
    mask = torch.tensor([[1, 1], [1, 0]])
    shaped = kl_shaped_rewards(torch.tensor([1.0, 0.5]), logp, ref, mask, beta=0.1, kind="k1")
    # 1 - .1 * 2 ln 2; .5 - .1 ln 2
    torch.testing.assert_close(shaped, torch.tensor([1 - 0.2 * LN2, 0.5 - 0.1 * LN2]))


def test_an_unjudged_completion_stays_unjudged() -> None:
    rewards = torch.tensor([torch.nan])
    mask = torch.ones(1, 3)
    assert kl_shaped_rewards(rewards, LOGP, REF, mask, beta=0.1, kind="k3").isnan().all()


def test_an_unknown_estimator_names_the_choices() -> None:
    with pytest.raises(ValueError, match=r"kl is 'k4'; choose one of: k1, k2, k3\."):
        token_kl(LOGP, REF, kind="k4")
