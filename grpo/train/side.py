"""What DeepSeek-V3 adds to any loss: the token after the next, and the balance of its experts.

Neither knows the objective it is added to. The weights of tokens are the objective's own.
"""

# K = modules of multi-token prediction, B = sequences, T = completion tokens

from dataclasses import dataclass

from torch import Tensor

from grpo.objective import Stat, Stats


@dataclass(frozen=True)
class SideLosses:
    """lambda of multi-token prediction (V3 eq. 25) and alpha of sequence-wise balance (eq. 17).

    With `mtp` 0 the MTP layers are not trained, with `balance` 0 experts are only counted. With
    `detach` the MTP loss teaches the MTP layers alone: to the policy it is as if it were not there.

    >>> SideLosses(mtp=0.1, balance=1e-4)
    """

    mtp: float = 0.0
    balance: float = 0.0
    detach: bool = False

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

    def of_balance(self, mean: Tensor, sequences: int, total: float) -> tuple[Tensor, Stats]:
        """alpha x the `mean` balance of so many `sequences`, as their share of the update's."""
        stats = {"balance_loss": Stat(mean.detach() * sequences, mean.new_tensor(sequences))}
        return self.balance * mean * (sequences / total), stats


NONE = SideLosses()
