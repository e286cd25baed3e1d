"""What DeepSeek-V3 adds to any loss: the token after the next, and the balance of its experts.

Neither knows the objective it is added to. The weights of tokens are the objective's own.
"""

# K = modules of multi-token prediction, B = sequences, T = completion tokens

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from grpo.objective import Stat, Stats

BalanceName = Literal["balance", "expert_balance"]
BALANCES: tuple[BalanceName, ...] = ("balance", "expert_balance")
"""The losses of balance, by their names in recipes, in `SideLosses` and in `RouterWatch`."""


@dataclass(frozen=True)
class SideLosses:
    """lambda of multi-token prediction (V3 eq. 25), alpha of sequence-wise balance (eq. 17) and
    of expert-level balance (V2 eq. 23).

    With `mtp` 0 the MTP layers are not trained, with both alphas 0 experts are only counted. With
    `detach` the MTP loss teaches the MTP layers alone: to the policy it is as if it were not there.

    >>> SideLosses(mtp=0.1, balance=1e-4, detach=True, expert_balance=0.0)
    """

    mtp: float = 0.0
    balance: float = 0.0
    detach: bool = False
    expert_balance: float = 0.0

    def of_mtp(
        self, logprobs_KBT: Tensor, reached_KBT: Tensor, weights_BT: Tensor
    ) -> tuple[Tensor, Stats]:
        """lambda x the mean over the modules of V3 eq. 24 over completion tokens: those of module k
        from k + 1 states before them, 0 where none was `reached_KBT`, each token with the weight it
        has in the objective."""
        stats = {"mtp_loss": Stat.over(-logprobs_KBT, reached_KBT)}
        if len(logprobs_KBT) > 1:
            for k, (logprobs_BT, reached_BT) in enumerate(
                zip(logprobs_KBT, reached_KBT, strict=True), start=1
            ):
                stats[f"mtp_loss/{k}"] = Stat.over(-logprobs_BT, reached_BT)
        return -self.mtp / len(logprobs_KBT) * (weights_BT * logprobs_KBT).sum(), stats

    def of_balance(
        self, name: BalanceName, mean: Tensor, counted: float, total: float
    ) -> tuple[Tensor, Stats]:
        """alpha x the `mean` of the loss `name` over `counted` sequences, as their share of the
        update's `total`."""
        stats = {f"{name}_loss": Stat(mean.detach() * counted, mean.new_tensor(counted))}
        return getattr(self, name) * mean * (counted / total), stats


NONE = SideLosses()
