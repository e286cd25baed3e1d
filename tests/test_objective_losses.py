"""Every per-token objective at both advantage signs and both clip sides, and every aggregation."""

import pytest
import torch
from torch import Tensor

from grpo.objective import AGGREGATIONS, POLICY_LOSSES, Clip, PolicyTerm, token_weights

R1_CLIP = Clip(low=10.0, high=10.0)


def one_token(
    loss: str, ratio: float, advantage: float, clip: Clip, logp: float = -1.0
) -> tuple[PolicyTerm, float]:
    """The term of a single token, and its gradient by that token's log-prob."""
    current = torch.tensor([[logp]], requires_grad=True)
    old = current.detach() - torch.tensor(ratio).log()
    term = POLICY_LOSSES[loss].objective(
        current, old, torch.tensor([[advantage]]), torch.ones(1, 1), clip
    )
    (gradient,) = torch.autograd.grad(term.loss_BT.sum(), current)
    return term, float(gradient)


@pytest.mark.parametrize("loss", ["grpo", "dr_grpo", "dapo", "gspo"])
@pytest.mark.parametrize(
    ("ratio", "advantage", "clip", "expected", "gradient", "low", "high"),
    [
        # -min(rho A, clip(rho) A); the gradient by log pi is -rho A where rho A is the smaller
        (1.5, 1.0, Clip(), -1.2, 0.0, False, True),  # min(1.5, 1.2)
        (1.5, -1.0, Clip(), 1.5, 1.5, False, False),  # min(-1.5, -1.2)
        (0.5, 1.0, Clip(), -0.5, -0.5, False, False),  # min(.5, .8)
        (0.5, -1.0, Clip(), 0.8, 0.0, True, False),  # min(-.5, -.8)
        (1.1, 2.0, Clip(), -2.2, -2.2, False, False),  # inside: min(2.2, 2.2)
        (0.9, -2.0, Clip(), 1.8, 1.8, False, False),  # inside: min(-1.8, -1.8)
        (1.5, 0.0, Clip(), 0.0, 0.0, False, False),  # nothing to learn
        (1.5, 1.0, Clip(low=0.1, high=0.3), -1.3, 0.0, False, True),  # the high side's own range
        (0.5, -1.0, Clip(low=0.1, high=0.3), 0.9, 0.0, True, False),  # the low side's own range
        (1.5, -1.0, Clip(dual=1.4), 1.4, 0.0, False, False),  # min(-1.4, -1.2)
        (1.3, -1.0, Clip(dual=1.4), 1.3, 1.3, False, False),  # below the dual bound
        (1.5, 1.0, Clip(high=0.6, dual=1.4), -1.5, -1.5, False, False),  # dual is for A < 0 alone
        (5.0, 1.0, R1_CLIP, -5.0, -5.0, False, False),  # R1's range ends at 11
        (12.0, 1.0, R1_CLIP, -11.0, 0.0, False, True),
        (0.01, -1.0, R1_CLIP, 0.01, 0.01, False, False),  # and has no lower end: 1 - 10 < 0
    ],
)
def test_clipped_ratio(
    loss: str,
    ratio: float,
    advantage: float,
    clip: Clip,
    expected: float,
    gradient: float,
    low: bool,
    high: bool,
) -> None:
    term, got_gradient = one_token(loss, ratio, advantage, clip)
    assert term.loss_BT.item() == pytest.approx(expected, abs=1e-6)
    assert got_gradient == pytest.approx(gradient, abs=1e-5)
    assert (term.clipped_low_BU.item(), term.clipped_high_BU.item()) == (low, high)
    assert term.clipped_BU.item() == (low or high)
    assert term.ratio_BU.item() == pytest.approx(ratio, rel=1e-5)


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected", "gradient", "high"),
    [
        # -min(rho, 1 + 1) A log pi at log pi = -.7; the gradient is -min(rho, 2) A, clipped or not
        (3.0, 0.5, 0.7, -1.0, True),  # -2 * .5 * -.7
        (3.0, -0.5, -0.7, 1.0, False),  # -2 * -.5 * -.7; a clip counts where A > 0
        (1.5, 0.5, 0.525, -0.75, False),  # -1.5 * .5 * -.7
        (0.1, -0.5, -0.035, 0.05, False),  # no lower bound: -.1 * -.5 * -.7
    ],
)
def test_cispo_keeps_a_gradient_where_it_clips(
    ratio: float, advantage: float, expected: float, gradient: float, high: bool
) -> None:
    term, got_gradient = one_token("cispo", ratio, advantage, Clip(low=0.2, high=1.0), logp=-0.7)
    assert term.loss_BT.item() == pytest.approx(expected, abs=1e-6)
    assert got_gradient == pytest.approx(gradient, abs=1e-5)
    assert (term.clipped_low_BU.item(), term.clipped_high_BU.item()) == (False, high)


def test_gspo_has_one_ratio_a_completion_and_counts_clips_by_completion() -> None:
    mask = torch.tensor([[1, 1, 0], [1, 1, 1], [0, 0, 0]])
    ratio = torch.tensor([[4.0, 1.0, 99.0], [1.21, 1.1, 1.0], [99.0, 99.0, 99.0]])
    logp = torch.full((3, 3), -1.0, requires_grad=True)
    term = POLICY_LOSSES["gspo"].objective(
        logp, logp.detach() - ratio.log(), torch.tensor([[1.0], [1.0], [1.0]]), mask, Clip()
    )
    # geometric means: sqrt(4 * 1) = 2, clipped at 1.2; (1.21 * 1.1)^(1/3) = 1.1; none
    torch.testing.assert_close(term.ratio_BU, torch.tensor([[2.0], [1.1], [1.0]]))
    torch.testing.assert_close(term.loss_BT[:2, 0], torch.tensor([-1.2, -1.1]))
    assert term.loss_BT.shape == (3, 3)
    assert term.clipped_high_BU.tolist() == [[True], [False], [False]]
    assert term.units_BU.tolist() == [[True], [True], [False]]
    # The mean over a completion's tokens of -s: each token's log-prob gets -s A / |o| of it.
    (gradient,) = torch.autograd.grad((term.loss_BT * mask).sum(dim=1)[1] / 3, logp)
    torch.testing.assert_close(gradient[1], torch.full((3,), -1.1 / 3))
    assert gradient[0].eq(0).all()


def test_advantages_may_differ_by_token() -> None:
    logp = torch.zeros(1, 2)
    for row in POLICY_LOSSES.values():
        advantages = torch.tensor([[1.0, -2.0]])
        term = row.objective(logp - 1, logp - 1, advantages, torch.ones(1, 2), Clip())
        sign = 1 if row is POLICY_LOSSES["cispo"] else -1  # CISPO multiplies by log pi = -1
        torch.testing.assert_close(term.loss_BT, sign * advantages)


WEIGHTS = {
    # two completions of 3 and 1 tokens in an update batch of 4 completions and 8 tokens, L = 5
    "sequence_mean": [[1 / 12, 1 / 12, 1 / 12], [1 / 4, 0, 0]],  # 1 / (4 * 3), 1 / (4 * 1)
    "token_mean": [[1 / 8, 1 / 8, 1 / 8], [1 / 8, 0, 0]],
    "constant": [[1 / 20, 1 / 20, 1 / 20], [1 / 20, 0, 0]],  # 1 / (4 * 5)
}


def weights(mask: Tensor, aggregation: str, sequences: int, tokens: int) -> Tensor:
    return token_weights(
        mask,
        aggregation=aggregation,
        total_sequences=sequences,
        total_tokens=tokens,
        max_completion_length=5,
    )


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_token_weights(aggregation: str) -> None:
    got = weights(torch.tensor([[1, 1, 1], [1, 0, 0]]), aggregation, sequences=4, tokens=8)
    torch.testing.assert_close(got, torch.tensor(WEIGHTS[aggregation]))


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_a_completion_with_no_tokens_weighs_nothing(aggregation: str) -> None:
    assert weights(torch.zeros(2, 3), aggregation, sequences=0, tokens=0).eq(0).all()


def test_each_loss_has_its_papers_aggregation() -> None:
    assert {name: row.aggregation for name, row in POLICY_LOSSES.items()} == {
        "grpo": "sequence_mean",
        "dr_grpo": "constant",
        "dapo": "token_mean",
        "gspo": "sequence_mean",
        "cispo": "token_mean",
    }
