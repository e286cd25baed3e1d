"""One optimizer step on one minibatch, for whatever objective is handed in.

The minibatch's loss is a sum of per-token terms whose weights were fixed before it was split, so
micro-batches only bound memory: they change nothing but the order of additions.
"""

# B = completions, T = completion tokens

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from grpo.objective import Objective, ObjectiveBatch, Stats, merge_stats
from grpo.train.policy import Policy
from grpo.train.sequences import Sequences


class NotFinite(RuntimeError):
    """The loss or the gradient is NaN or infinite; the weights were not touched."""


@dataclass(frozen=True)
class Update:
    """What one step did: the minibatch's loss and gradient norm (before clipping), and sums.

    >>> Update(loss=0.0113, grad_norm=0.42, stats={"kl": Stat(tensor(1.2), tensor(840.0))})
    """

    loss: float
    grad_norm: float
    stats: Stats


def update(
    policy: Policy,
    sequences: Sequences,
    batch: ObjectiveBatch,
    objective: Objective,
    *,
    temperature: float,
    budget: int,
    max_grad_norm: float,
) -> Update:
    """Accumulate the gradient of `objective` over micro-batches of `budget` tokens, then step.

    `sequences` and `batch` are this process's rows. Raises NotFinite instead of stepping on a
    loss or gradient that is no number.
    """
    losses: list[Tensor] = []
    stats: list[Stats] = []
    micro = sequences.microbatches(budget)
    for number, rows in enumerate(micro):
        last = number == len(micro) - 1
        with nullcontext() if last else policy.accelerator.no_sync(policy.module):
            loss, part = _forward(policy, sequences, batch, objective, rows, temperature)
            # Data parallelism averages gradients over processes; our loss is their sum.
            policy.accelerator.backward(loss * policy.accelerator.num_processes)
        losses.append(loss.detach())
        stats.append(part)
    total = float(policy.accelerator.reduce(torch.stack(losses).sum()))
    norm = float(policy.accelerator.clip_grad_norm_(policy.module.parameters(), max_grad_norm))
    if not (torch.isfinite(torch.tensor([total, norm])).all()):
        policy.optimizer.zero_grad()
        raise NotFinite(f"loss {total}, gradient norm {norm}")
    policy.optimizer.step()
    policy.optimizer.zero_grad()
    return Update(total, norm, merge_stats(stats))


def _forward(
    policy: Policy,
    sequences: Sequences,
    batch: ObjectiveBatch,
    objective: Objective,
    rows: list[int],
    temperature: float,
) -> tuple[Tensor, Stats]:
    device = policy.accelerator.device
    inputs = sequences.inputs(rows, device)
    with policy.watching(inputs.real_BS):
        logprobs_BT, entropy_BT = policy.module(
            inputs.ids_BS,
            inputs.first_B,
            inputs.targets_BT,
            inputs.mask_BT,
            temperature=temperature,
            entropy_grad=objective.entropy_grad,
        )
    part = batch.rows(rows, inputs.targets_BT.shape[1]).to(device)
    loss, stats = objective(logprobs_BT, entropy_BT, part)
    return loss, stats
