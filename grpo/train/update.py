"""One optimizer step on one minibatch, for whatever objective is handed in.

The minibatch's loss is a sum of per-token terms whose weights were fixed before it was split, so
micro-batches only bound memory: they change nothing but the order of additions.
"""

# B = completions, T = completion tokens

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from grpo.objective import Objective, ObjectiveBatch, Stat, Stats, merge_stats
from grpo.train.distributed import global_means
from grpo.train.policy import Policy
from grpo.train.scored import Scores
from grpo.train.sequences import Inputs, Sequences, order_of
from grpo.train.side import BALANCES
from grpo.train.teacher import Teacher


class NotFinite(RuntimeError):
    """The loss or the gradient is NaN or infinite; the weights were not touched."""


@dataclass(frozen=True)
class Update:
    """What one step did: the minibatch's loss and gradient norm (before clipping), sums, and over
    all processes the tokens that each expert had, [L, E] (None for a dense model).

    >>> Update(loss=0.0113, grad_norm=0.42, stats={"kl": Stat(tensor(1.2), tensor(840.0))},
    ...        load_LE=tensor([[510.0, 330.0], [402.0, 438.0]]))
    """

    loss: float
    grad_norm: float
    stats: Stats
    load_LE: Tensor | None


def update(
    policy: Policy,
    sequences: Sequences,
    batch: ObjectiveBatch,
    objective: Objective,
    *,
    temperature: float,
    budget: int,
    max_grad_norm: float,
    bias_speed: float = 0.0,
    hits: bool = False,
    teacher: Teacher | None = None,
) -> Update:
    """Accumulate the gradient of `objective` over micro-batches of `budget` tokens, then step, and
    move the router biases by `bias_speed`.

    `sequences` and `batch` are this process's rows; the policy's side losses and the `teacher`'s
    are added. `hits` asks for the share of tokens that were the likeliest, too. Raises NotFinite
    instead of stepping on a loss or gradient that is no number.
    """
    losses: list[Tensor] = []
    stats: list[Stats] = []
    total_sequences = _in_all(policy, _counted(batch))
    micro = sequences.microbatches(budget)
    for number, rows in enumerate(micro):
        last = number == len(micro) - 1
        inputs = sequences.inputs(rows, policy.accelerator.device)
        part = batch.rows(order_of(rows), inputs.targets_BT.shape[1]).to(inputs.ids_RS.device)
        with nullcontext() if last else policy.accelerator.no_sync(policy.module):
            scores = _forward(policy, inputs, part, objective, temperature, hits, teacher)
            loss, told = objective(scores.logprobs_BT, scores.entropy_BT, part)
            for extra, more in _side_losses(policy, teacher, inputs, scores, part, total_sequences):
                loss, told = loss + extra, told | more
            # Data parallelism averages gradients over processes; our loss is their sum.
            policy.accelerator.backward(loss * policy.accelerator.num_processes)
        losses.append(loss.detach())
        stats.append(told | (_accuracy(scores, part) if hits else {}))
    total = float(policy.accelerator.reduce(torch.stack(losses).sum()))
    norm = _step(policy, total, max_grad_norm)
    return Update(total, norm, merge_stats(stats), policy.settle_load(bias_speed))


def summary(policy: Policy, done: Sequence[Update]) -> dict[str, float]:
    """What the updates of a step did, as metrics: means over them, and over all processes."""
    return {
        "loss": sum(one.loss for one in done) / len(done),
        "grad_norm": sum(one.grad_norm for one in done) / len(done),
        "learning_rate": policy.optimizer.param_groups[0]["lr"],
        **global_means(policy.accelerator, merge_stats(one.stats for one in done)),
    }


def _counted(batch: ObjectiveBatch) -> float:
    """How many sequences count; one that only keeps other processes company has no token."""
    return float(batch.mask_BT.any(1).sum())


def _in_all(policy: Policy, count: float) -> float:
    """A count over all processes."""
    here = torch.tensor(count, device=policy.accelerator.device)
    return float(policy.accelerator.reduce(here))


def _step(policy: Policy, loss: float, max_grad_norm: float) -> float:
    """Take the step that the gradients ask for; their norm before clipping."""
    norm = policy.clip_gradients(max_grad_norm)
    if not (torch.isfinite(torch.tensor([loss, norm])).all()):
        policy.optimizer.zero_grad()
        raise NotFinite(f"loss {loss}, gradient norm {norm}")
    policy.optimizer.step()
    policy.optimizer.zero_grad()
    return norm


def _forward(
    policy: Policy,
    inputs: Inputs,
    part: ObjectiveBatch,
    objective: Objective,
    temperature: float,
    hits: bool,
    teacher: Teacher | None,
) -> Scores:
    with policy.watching(inputs, part.mask_BT):
        scores: Scores = policy.module(
            inputs,
            temperature=temperature,
            entropy_grad=objective.entropy_grad,
            hits=hits,
            further=policy.side.mtp > 0,
            taught=teacher and teacher.taught(inputs),
        )
    return scores


def _side_losses(
    policy: Policy,
    teacher: Teacher | None,
    inputs: Inputs,
    scores: Scores,
    part: ObjectiveBatch,
    total_sequences: float,
) -> Iterator[tuple[Tensor, Stats]]:
    """What policy and teacher add to the loss of a micro-batch; `total_sequences` are in the
    update."""
    if scores.further_KBT is not None:
        reached = [inputs.reached_BT(k) for k in range(1, len(scores.further_KBT) + 1)]
        yield policy.side.of_mtp(scores.further_KBT, torch.stack(reached), part.weights_BT)
    for name in BALANCES:
        mean = getattr(policy.watch, name)
        if isinstance(mean, Tensor):
            yield policy.side.of_balance(name, mean, _counted(part), total_sequences)
    if teacher is not None and scores.kl_BT is not None:
        yield teacher.loss(scores.kl_BT, part.mask_BT, part.weights_BT)


def _accuracy(scores: Scores, part: ObjectiveBatch) -> Stats:
    return {"mean_token_accuracy": Stat.over(scores.hits_BT, part.mask_BT)}
