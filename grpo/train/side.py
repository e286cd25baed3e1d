"""What DeepSeek-V3 adds to any loss: the token after the next, and the balance of its experts.

Neither knows the objective it is added to. The weights of tokens are the objective's own.
"""

# B = sequences, T = completion tokens

from dataclasses import dataclass

from torch import Tensor

from grpo.objective import Stat, Stats


@dataclass(frozen=True)
class SideLosses:
    """lambda of multi-token prediction (V3 eq. 25) and alpha of sequence-wise balance (eq. 17).

    With `mtp` 0 the MTP layer is not trained, with `balance` 0 experts are only counted.

    >>> SideLosses(mtp=0.1, balance=1e-4)
    """

    mtp: float = 0.0
    balance: float = 0.0

    def of_mtp(
        self, logprobs_BT: Tensor, reached_BT: Tensor, weights_BT: Tensor
    ) -> tuple[Tensor, Stats]:
        """lambda x V3 eq. 24 over completion tokens: their log-probabilities two states before
        them, 0 where none was `reached_BT`, each token with the weight it has in the objective."""
        stats = {"mtp_loss": Stat.over(-logprobs_BT, reached_BT)}
        return -self.mtp * (weights_BT * logprobs_BT).sum(), stats

    def of_balance(self, mean: Tensor, sequences: int, total: float) -> tuple[Tensor, Stats]:
        """alpha x the `mean` balance of so many `sequences`, as their share of the update's."""
        stats = {"balance_loss": Stat(mean.detach() * sequences, mean.new_tensor(sequences))}
        return self.balance * mean * (sequences / total), stats


NONE = SideLosses()
