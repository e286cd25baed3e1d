"""Supervised fine-tuning as an objective: the masked token-mean of the negative log-likelihood.

Has the call shape of the policy objective, so one update loop serves both. Leaves out label
smoothing; packing is the trainer's, and changes nothing here.
"""

# Shapes: B conversations, T tokens of the longest one; mask_BT is 1 on the tokens to be learnt.

from dataclasses import dataclass

import torch
from torch import Tensor

from grpo.objective.aggregation import token_weights
from grpo.objective.batch import ObjectiveBatch
from grpo.objective.stats import Stat, Stats


@dataclass(frozen=True)
class SftObjective:
    """Cross-entropy in nats, every token of the update batch weighing the same.

    `hard` is the weight of these labels where a teacher's soft ones are added; at 0 the tokens are
    measured and not learnt.

    >>> loss, stats = SftObjective()(logprobs_BT, entropy_BT, ObjectiveBatch(mask_BT, weights_BT))
    """

    hard: float = 1.0

    @property
    def entropy_grad(self) -> bool:
        return False

    def weights(self, mask_BT: Tensor, *, total_sequences: float, total_tokens: float) -> Tensor:
        return token_weights(
            mask_BT,
            aggregation="token_mean",
            total_sequences=total_sequences,
            total_tokens=total_tokens,
            max_completion_length=mask_BT.shape[1],
        )

    def __call__(
        self, logprobs_BT: Tensor, entropy_BT: Tensor, batch: ObjectiveBatch
    ) -> tuple[Tensor, Stats]:
        nll_BT = -torch.where(batch.mask_BT.bool(), logprobs_BT, 0.0)
        stats = {
            "nll": Stat.over(nll_BT, batch.mask_BT),
            "entropy": Stat.over(entropy_BT, batch.mask_BT),
        }
        learnt_BT = nll_BT if self.hard else nll_BT.detach()
        return self.hard * (batch.weights_BT * learnt_BT).sum(), stats
