"""One update batch, split in any way: the same loss, the same gradient, the same statistics."""

import pytest
import torch
from torch import Tensor

from grpo.objective import (
    AGGREGATIONS,
    KL,
    POLICY_LOSSES,
    GrpoObjective,
    Objective,
    ObjectiveBatch,
    PolicyBatch,
    SftObjective,
    Stat,
    Stats,
    mean_stats,
    merge_stats,
)

B, T = 12, 9
LENGTHS = torch.tensor([9, 1, 4, 7, 2, 9, 3, 3, 8, 5, 1, 6])

SPLITS = {
    "whole": [list(range(B))],
    "one by one": [[row] for row in range(B)],
    "uneven": [[0], [1, 2, 3, 4, 5, 6, 7], [8, 9, 10, 11]],
    "sorted by length": LENGTHS.argsort().split(4),
    "shuffled": [[11, 0, 6], [5, 1, 9, 3], [2], [10, 8, 7, 4]],
}


def batch_for(objective: GrpoObjective | SftObjective) -> tuple[Tensor, Tensor, PolicyBatch]:
    torch.manual_seed(0)
    mask = (torch.arange(T) < LENGTHS[:, None]).long()
    logp = -torch.rand(B, T) * 3
    batch = PolicyBatch(
        mask_BT=mask,
        weights_BT=objective.weights(mask, total_sequences=B, total_tokens=float(LENGTHS.sum())),
        old_logprobs_BT=logp + torch.randn(B, T) / 3,
        advantages_B=torch.randn(B),
        ref_logprobs_BT=logp + torch.randn(B, T) / 3,
        correction_BT=torch.rand(B, T) + 0.5,
    )
    return logp, torch.rand(B, T) * 4, batch


def run(
    objective: Objective[PolicyBatch], split: str
) -> tuple[Tensor, Tensor, Tensor, dict[str, float]]:
    logp, entropy, batch = batch_for(objective)  # type: ignore[arg-type]
    logp.requires_grad_()
    entropy.requires_grad_()
    total = torch.zeros(())
    parts: list[Stats] = []
    for rows in SPLITS[split]:
        length = int(LENGTHS[rows].max())  # a micro-batch is no wider than its longest completion
        loss, stats = objective(
            logp[rows, :length], entropy[rows, :length], batch.rows(rows, length)
        )
        loss.backward()
        total = total + loss.detach()
        parts.append(stats)
    assert logp.grad is not None
    entropy_grad = torch.zeros_like(entropy) if entropy.grad is None else entropy.grad
    return total, logp.grad, entropy_grad, mean_stats(merge_stats(parts))


OBJECTIVES: dict[str, Objective[PolicyBatch]] = {
    **{
        f"{loss} {aggregation} {kl}": GrpoObjective(
            max_completion_length=16,
            loss=loss,
            aggregation=aggregation,
            beta=0.1,
            kl=kl,
            kl_bias_correction=kl == "k3",
            entropy_coef=0.01,
        )
        for loss in POLICY_LOSSES
        for aggregation in AGGREGATIONS
        for kl in KL
    },
    "sft": SftObjective(),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_no_split_changes_anything(name: str) -> None:
    whole = run(OBJECTIVES[name], "whole")
    assert whole[1].abs().max() > 1e-3, "a gradient of zero would be the same under any split"
    for split in SPLITS:
        torch.testing.assert_close(run(OBJECTIVES[name], split), whole, rtol=1e-6, atol=1e-6)


def test_rows_keep_the_kind_of_batch_and_cut_every_field() -> None:
    _, _, batch = batch_for(SftObjective())
    part = batch.rows([3, 1], length=7)
    assert isinstance(part, PolicyBatch)
    assert part.advantages_B.tolist() == batch.advantages_B[[3, 1]].tolist()
    assert part.correction_BT is not None and part.correction_BT.shape == (2, 7)
    plain = ObjectiveBatch(batch.mask_BT, batch.weights_BT).rows(slice(2, 5))
    assert plain.mask_BT.tolist() == batch.mask_BT[2:5].tolist()


def test_stats_of_parts_weigh_by_their_counts() -> None:
    def stat(total: float, count: float) -> Stat:
        return Stat(torch.tensor(total), torch.tensor(count))

    parts = [{"kl": stat(2.0, 4.0), "none": stat(0.0, 0.0)}, {"kl": stat(7.0, 1.0)}]
    assert mean_stats(merge_stats(parts)) == {"kl": pytest.approx(9 / 5)}  # not (1/2 + 7) / 2
