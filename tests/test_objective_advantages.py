"""Group advantages against sums done by hand."""

import pytest
import torch

from grpo.objective import dead_groups, group_advantages

NAN = torch.nan


def test_std_is_bessel_corrected() -> None:
    # mean 1/4; squares .5625 + 3 * .0625 = .75; .75 / (4 - 1) = .25, std .5 (a population's: .433)
    advantages = group_advantages(torch.tensor([[1.0, 0.0, 0.0, 0.0]]), scale="std", eps=0.0)
    torch.testing.assert_close(advantages, torch.tensor([[1.5, -0.5, -0.5, -0.5]]))


def test_eps_is_added_to_the_std_not_to_the_variance() -> None:
    # .75 / (.5 + .1) = 1.25; -.25 / .6 = -.416667
    advantages = group_advantages(torch.tensor([[1.0, 0.0, 0.0, 0.0]]), scale="std", eps=0.1)
    torch.testing.assert_close(advantages, torch.tensor([[1.25, -5 / 12, -5 / 12, -5 / 12]]))


def test_none_only_centres_each_group() -> None:
    rewards = torch.tensor([[3.0, 1.0], [0.0, 10.0]])  # means 2 and 5
    advantages = group_advantages(rewards, scale="none")
    torch.testing.assert_close(advantages, torch.tensor([[1.0, -1.0], [-5.0, 5.0]]))


def test_batch_divides_by_the_std_of_all_rewards() -> None:
    # all four: mean .75, squares 3 * .0625 + .5625 = .75, / 3 = .25, std .5; groups centre alone
    rewards = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    advantages = group_advantages(rewards, scale="batch", eps=0.0)
    torch.testing.assert_close(advantages, torch.tensor([[1.0, -1.0], [0.0, 0.0]]))


@pytest.mark.parametrize("scale", ["std", "batch"])
def test_an_unjudged_completion_is_left_out_and_gets_zero(scale: str) -> None:
    # of 3, 1, 2: mean 2, squares 1 + 1 + 0 = 2, / (3 - 1) = 1, std 1
    rewards = torch.tensor([[3.0, NAN, 1.0, 2.0]])
    advantages = group_advantages(rewards, scale=scale, eps=0.0)
    torch.testing.assert_close(advantages, torch.tensor([[1.0, 0.0, -1.0, 0.0]]))


@pytest.mark.parametrize("scale", ["std", "none", "batch"])
def test_a_group_of_equal_rewards_gets_exactly_zero(scale: str) -> None:
    equal = torch.full((7,), 0.1)
    assert (equal - equal.mean()).abs().max() > 0, "rounding must matter here, or nothing is shown"
    rewards = torch.stack([equal, torch.arange(7.0)])
    advantages = group_advantages(rewards, scale=scale)
    assert advantages[0].eq(0).all()
    assert advantages[1].ne(0).sum() == 6  # all but the middle one


@pytest.mark.parametrize("scale", ["std", "none", "batch"])
@pytest.mark.parametrize("rewards", [[NAN, NAN, NAN], [NAN, 1.0, NAN]])
def test_a_group_with_one_judgement_or_none_gets_zero(scale: str, rewards: list[float]) -> None:
    advantages = group_advantages(torch.tensor([rewards]), scale=scale)
    assert advantages.eq(0).all()


def test_an_infinite_reward_is_not_hidden() -> None:
    assert group_advantages(torch.tensor([[torch.inf, 0.0]]), scale="std").isnan().any()


def test_an_unknown_scale_names_the_choices() -> None:
    with pytest.raises(ValueError, match=r"scale is 'group'; choose one of: std, batch, none\."):
        group_advantages(torch.ones(1, 2), scale="group")


def test_dead_groups() -> None:
    rewards = torch.tensor(
        [[1.0, 1.0], [1.0, 0.0], [NAN, 1.0], [NAN, NAN], [1.0, 1.0 + 1e-7], [-1.0, 1.0]]
    )
    assert dead_groups(rewards).tolist() == [True, False, True, True, True, False]
    assert dead_groups(rewards, tol=3.0).all()
