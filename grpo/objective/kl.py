"""The divergence of the policy from the reference, estimated at the tokens that were sampled.

Leaves out the exact KL over the vocabulary, which would need both models' full distributions.
Log-probabilities in, nats out; all three estimate KL(pi || ref) for tokens drawn from pi.
"""

# Shapes: B completions, T tokens of the longest one; mask_BT is 1 on completion tokens.

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from grpo.objective.tables import pick


def k1(logprobs_BT: Tensor, ref_logprobs_BT: Tensor) -> Tensor:
    """`log(pi / ref)`: unbiased, of either sign, noisy.

    Right in the reward. In the loss, uncorrected, it only adds noise: its expected gradient is 0.
    """
    return logprobs_BT - ref_logprobs_BT


def k2(logprobs_BT: Tensor, ref_logprobs_BT: Tensor) -> Tensor:
    """`log(pi / ref)^2 / 2`: a biased value, but on policy its gradient is the KL's own."""
    return (logprobs_BT - ref_logprobs_BT).square() / 2


def k3(logprobs_BT: Tensor, ref_logprobs_BT: Tensor) -> Tensor:
    """`ref/pi - log(ref/pi) - 1`: unbiased and never negative; R1 eq. 2, DeepSeekMath eq. 4."""
    log_ratio_BT = ref_logprobs_BT - logprobs_BT
    # Near the reference k3 is about log_ratio^2 / 2; exp(x) - x - 1 would round it all away.
    return torch.expm1(log_ratio_BT) - log_ratio_BT


KL: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {"k1": k1, "k2": k2, "k3": k3}


def token_kl(
    logprobs_BT: Tensor,
    ref_logprobs_BT: Tensor,
    *,
    kind: str,
    bias_correction: Tensor | None = None,
) -> Tensor:
    """The estimate at every token, for use in the loss.

    Tokens were drawn from pi_old, so after a first minibatch every estimator is a little off.
    `bias_correction` is the ratio pi / pi_old, gradient attached (one a token, or one a completion
    as [B, 1]), that multiplies the estimate and repairs this (DeepSeek-V3.2; TRL's
    `use_bias_correction_kl`, on by default there). R1's formula has none.
    """
    kl_BT = pick(KL, kind, knob="kl")(logprobs_BT, ref_logprobs_BT)
    return kl_BT if bias_correction is None else kl_BT * bias_correction


@torch.no_grad()
def kl_shaped_rewards(
    rewards_B: Tensor,
    logprobs_BT: Tensor,
    ref_logprobs_BT: Tensor,
    mask_BT: Tensor,
    *,
    beta: float,
    kind: str,
) -> Tensor:
    """`r - beta * sum over tokens of the estimate`: the KL in the reward instead of in the loss.

    Before advantages are taken, with the log-probs of the policy that sampled; a NaN reward (no
    judgement) stays NaN.
    """
    kl_BT = token_kl(logprobs_BT, ref_logprobs_BT, kind=kind)
    return rewards_B - beta * kl_BT.masked_fill(mask_BT == 0, 0.0).sum(dim=1)
