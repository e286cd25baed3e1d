"""The reinforcement-learning objective: a policy loss, a KL to the reference, an entropy bonus.

    loss = sum over tokens of weight * (correction * policy + beta * KL - entropy_coef * entropy)

One weight serves all three terms, so the balance between them does not move with length. (TRL takes
its entropy bonus as a token mean whatever the loss; the two agree under "token_mean".) Leaves out
where any of it comes from, and how a batch is split.
"""

# Shapes: B completions, T tokens of the longest one; mask_BT is 1 on completion tokens.

from dataclasses import dataclass

import torch
from torch import Tensor

from grpo.objective.aggregation import AGGREGATIONS, token_weights
from grpo.objective.batch import PolicyBatch
from grpo.objective.kl import KL, token_kl
from grpo.objective.losses import POLICY_LOSSES, Clip, PolicyLoss, PolicyTerm
from grpo.objective.stats import Stat, Stats
from grpo.objective.tables import pick


@dataclass(frozen=True)
class GrpoObjective:
    """The knobs of the objective; each name in `loss`, `kl`, `aggregation` is a row of a table.

    `aggregation` None is the loss's own. `max_completion_length` (tokens) is Dr. GRPO's divisor.
    `kl_bias_correction` multiplies the KL by the policy's ratio (TRL's default; not R1's).
    ValueError for a name that is in no table.

    >>> GrpoObjective(max_completion_length=512, loss="dapo", clip_high=0.28, beta=0.0)
    """

    max_completion_length: int
    loss: str = "grpo"
    clip_low: float = 0.2
    clip_high: float = 0.2
    dual: float | None = None
    beta: float = 0.001
    kl: str = "k3"
    kl_bias_correction: bool = False
    entropy_coef: float = 0.0
    aggregation: str | None = None

    def __post_init__(self) -> None:
        pick(AGGREGATIONS, self.aggregation or self._policy_loss.aggregation, knob="aggregation")
        pick(KL, self.kl, knob="kl")

    @property
    def entropy_grad(self) -> bool:
        return self.entropy_coef != 0

    def weights(self, mask_BT: Tensor, *, total_sequences: float, total_tokens: float) -> Tensor:
        return token_weights(
            mask_BT,
            aggregation=self.aggregation or self._policy_loss.aggregation,
            total_sequences=total_sequences,
            total_tokens=total_tokens,
            max_completion_length=self.max_completion_length,
        )

    def __call__(
        self, logprobs_BT: Tensor, entropy_BT: Tensor, batch: PolicyBatch
    ) -> tuple[Tensor, Stats]:
        logprobs_BT = _inside(batch, logprobs_BT)
        policy = self._policy_term(logprobs_BT, batch)
        kl_BT = self._kl(logprobs_BT, policy, batch)
        loss_BT = policy.loss_BT
        if batch.correction_BT is not None:
            loss_BT = loss_BT * batch.correction_BT
        if kl_BT is not None and self.beta:
            loss_BT = loss_BT + self.beta * kl_BT
        if self.entropy_coef:
            loss_BT = loss_BT - self.entropy_coef * _inside(batch, entropy_BT)
        return (batch.weights_BT * loss_BT).sum(), _stats(policy, kl_BT, entropy_BT, batch)

    @property
    def _policy_loss(self) -> PolicyLoss:
        return pick(POLICY_LOSSES, self.loss, knob="loss")

    def _policy_term(self, logprobs_BT: Tensor, batch: PolicyBatch) -> PolicyTerm:
        advantages = batch.advantages_B
        present_BT = logprobs_BT.detach()
        old_BT = present_BT if batch.old_logprobs_BT is None else batch.old_logprobs_BT
        return self._policy_loss.objective(
            logprobs_BT,
            _inside(batch, torch.where(old_BT.isnan(), present_BT, old_BT)),
            advantages.unsqueeze(1) if advantages.dim() == 1 else advantages,
            batch.mask_BT,
            Clip(self.clip_low, self.clip_high, self.dual),
        )

    def _kl(self, logprobs_BT: Tensor, policy: PolicyTerm, batch: PolicyBatch) -> Tensor | None:
        """None without a reference; with one it is reported even where beta is 0."""
        if batch.ref_logprobs_BT is None:
            if self.beta:
                raise ValueError(
                    f"beta is {self.beta} but the batch has no reference log-probs; "
                    "score it with the reference model, or set beta to 0."
                )
            return None
        return token_kl(
            logprobs_BT,
            _inside(batch, batch.ref_logprobs_BT),
            kind=self.kl,
            bias_correction=policy.ratio_BU if self.kl_bias_correction else None,
        )


def _inside(batch: PolicyBatch, values_BT: Tensor) -> Tensor:
    """The values with zeros for padding, where an exp() may overflow and inf * 0 would be NaN."""
    return torch.where(batch.mask_BT.bool(), values_BT, 0.0)


def _stats(
    policy: PolicyTerm, kl_BT: Tensor | None, entropy_BT: Tensor, batch: PolicyBatch
) -> Stats:
    stats = {
        "entropy": Stat.over(entropy_BT, batch.mask_BT),
        "clip_ratio/low_mean": Stat.over(policy.clipped_low_BU, policy.units_BU),
        "clip_ratio/high_mean": Stat.over(policy.clipped_high_BU, policy.units_BU),
        "clip_ratio/region_mean": Stat.over(policy.clipped_BU, policy.units_BU),
    }
    if kl_BT is not None:
        stats["kl"] = Stat.over(kl_BT, batch.mask_BT)
    return stats
