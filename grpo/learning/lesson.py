"""What a rollout teaches: its live completions with advantages, old and reference log-probs.

Groups of equal reward (and of equal steps, where these count) teach nothing and never reach the
model; they still count in the denominators, so that skipping them does not raise what the others
weigh. Where such groups were replaced they are not in the rollout, and nothing counts them.

A group that waited in the bank was drawn by the policy before. With a correction its ratio to the
present one is what the correction weighs, as any gap to the sampler; without, the sampler's own
log-probs are the old policy's, and the clip holds from there.
"""

# P = groups, G = completions a group, B = this process's completions, T = completion tokens

import random
from dataclasses import dataclass

import torch
from torch import Tensor

from grpo.learning.process import Process
from grpo.objective import (
    GrpoObjective,
    PolicyBatch,
    dead_groups,
    group_advantages,
    importance_weights,
    kl_shaped_rewards,
)
from grpo.recipe.schema import Recipe
from grpo.recipe.stages import Rl
from grpo.rollout.rewards import rewards_PG
from grpo.train.batches import padded
from grpo.train.distributed import Share
from grpo.train.policy import Policy, Reference, score
from grpo.train.sequences import Sequences
from grpo.types import Completion, Rollout
from grpo.workbench.replay import experts_of


@dataclass(frozen=True)
class Lesson:
    """This process's rows of a rollout, and which of them each minibatch takes.

    >>> Lesson(sequences, batch, minibatches=((0, 3), (1, 2)), metrics={"sampling/...": 1e-6})
    """

    sequences: Sequences
    batch: PolicyBatch
    minibatches: tuple[tuple[int, ...], ...]
    metrics: dict[str, float]


def objective_of(stage: Rl) -> GrpoObjective:
    """The stage's objective; a KL that goes into the reward leaves the loss."""
    knobs = stage.objective
    return GrpoObjective(
        max_completion_length=stage.sampling.max_tokens,
        loss=knobs.loss,
        clip_low=knobs.clip_low,
        clip_high=knobs.clip_high,
        dual=knobs.dual,
        beta=knobs.beta if knobs.kl_in == "loss" else 0.0,
        kl=knobs.kl,
        kl_bias_correction=knobs.use_bias_correction_kl,
        entropy_coef=knobs.entropy_coef,
    )


class Teacher:
    """Turns rollouts into lessons for a policy."""

    def __init__(
        self, stage: Rl, policy: Policy, reference: Reference | None, recipe: Recipe
    ) -> None:
        self._stage, self._policy, self._reference = stage, policy, reference
        self._seed, process = recipe.seed, stage.objective.process
        self._process = Process(process, stage, recipe) if process else None

    def lesson(self, rollout: Rollout) -> Lesson | None:
        """The rollout's lesson, or None where every group is dead or there is none."""
        if not rollout.groups:
            return None
        completions = [c for group in rollout.groups for c in group.completions]
        prompts = [group.prompt_ids for group in rollout.groups for _ in group.completions]
        rewards = self._rewards_PG(rollout, prompts, completions)
        advantages_B, live_P = self._advantages(rollout, rewards)
        live = live_P.repeat_interleave(rewards.shape[1]).nonzero().flatten()
        if not len(live):
            return None
        split = self._split(live.tolist(), rollout.step)
        rows = [row for share in split for row in share.rows]
        ends = [len(share.rows) for share in split]
        counted_B = torch.tensor([share.counts for share in split for _ in share.rows])
        sequences = self._sequences(prompts, completions).rows(rows)
        batch, metrics = self._batch(sequences, counted_B, advantages_B[rows], rows, rollout)
        return Lesson(sequences, batch, _ranges(ends), metrics)

    def _advantages(self, rollout: Rollout, rewards: Tensor) -> tuple[Tensor, Tensor]:
        """[B], or [B, T] where steps have their own, and which groups are live, [P]."""
        advantages_B = group_advantages(rewards, scale=self._stage.objective.scale).flatten()
        live_P = ~dead_groups(rewards)
        if self._process is None:
            return advantages_B, live_P
        advantages_BT = advantages_B.unsqueeze(1) + self._process.advantages_BT(rollout)
        return advantages_BT, live_P | self._process.live_P(rollout)

    def _split(self, live: list[int], step: int) -> list[Share]:
        """The live rows dealt to minibatches at random, this process's share of each."""
        random.Random(f"minibatches:{self._seed}:{step}").shuffle(live)
        dealt = [live[m :: self._stage.minibatches] for m in range(self._stage.minibatches)]
        return [Share.of(rows, self._policy.accelerator) for rows in dealt if rows]

    def _batch(
        self,
        sequences: Sequences,
        counted_B: Tensor,
        advantages_B: Tensor,
        rows: list[int],
        rollout: Rollout,
    ) -> tuple[PolicyBatch, dict[str, float]]:
        completions = [c for group in rollout.groups for c in group.completions]
        is_banked = [g.drawn is not None for g in rollout.groups for _ in g.completions]
        mask_BT = sequences.mask_BT & counted_B.unsqueeze(1)
        old_BT, correction_BT, metrics = self._ratios(
            sequences,
            mask_BT,
            padded([completions[i].logprobs for i in rows], 0.0, torch.float32),
            torch.tensor([is_banked[i] for i in rows]),
        )
        minibatches = self._stage.minibatches
        weights_BT = objective_of(self._stage).weights(
            mask_BT,
            total_sequences=len(completions) / minibatches,
            total_tokens=sum(len(c.token_ids) for c in completions) / minibatches,
        )
        reference_BT = self._reference and self._score(self._reference.module, sequences)
        if advantages_B.dim() == 2:
            advantages_B = advantages_B[:, : mask_BT.shape[1]]
        return PolicyBatch(
            mask_BT, weights_BT, old_BT, advantages_B, reference_BT, correction_BT
        ), metrics

    def _ratios(
        self, sequences: Sequences, mask_BT: Tensor, sampler_BT: Tensor, banked_B: Tensor
    ) -> tuple[Tensor | None, Tensor | None, dict[str, float]]:
        """Old log-probs and correction, None where there is no need of them."""
        old_BT, metrics, knobs = None, {}, self._stage.objective
        # With one update a rollout the policy that learns is the one that sampled.
        if self._stage.minibatches * self._stage.epochs > 1 or knobs.correction != "off":
            old_BT = self._score(self._policy.module, sequences)
            correction_BT, metrics = importance_weights(
                old_BT,
                sampler_BT,
                mask_BT,
                mode=knobs.correction,
                level=knobs.correction_level,
                cap=knobs.correction_cap,
            )
            metrics |= self._policy.routing_difference()
        if knobs.correction != "off":
            return old_BT, correction_BT, metrics
        metrics = {name: value for name, value in metrics.items() if "ratio" not in name}
        return _as_drawn(old_BT, sampler_BT, banked_B), None, metrics

    def _rewards_PG(
        self, rollout: Rollout, prompts: list[tuple[int, ...]], completions: list[Completion]
    ) -> Tensor:
        """The rewards, with the KL taken off them where the recipe puts it there."""
        rewards = self._process.outcomes_PG(rollout) if self._process else rewards_PG(rollout)
        if self._reference is None or self._stage.objective.kl_in == "loss":
            return rewards
        sequences = self._sequences(prompts, completions)
        return kl_shaped_rewards(
            rewards.flatten(),
            self._score(self._policy.module, sequences),
            self._score(self._reference.module, sequences),
            sequences.mask_BT,
            beta=self._stage.objective.beta,
            kind=self._stage.objective.kl,
        ).view_as(rewards)

    def _sequences(
        self, prompts: list[tuple[int, ...]], completions: list[Completion]
    ) -> Sequences:
        experts = experts_of(self._stage, completions)
        drawn = [c.token_ids for c in completions]
        return Sequences(prompts, drawn, experts=experts, shared=self._stage.share_prompts)

    def _score(self, module: torch.nn.Module, sequences: Sequences) -> Tensor:
        return score(
            module,
            sequences,
            temperature=self._stage.sampling.temperature,
            budget=self._stage.tokens_per_microbatch,
            device=self._policy.accelerator.device,
        )


def _as_drawn(old_BT: Tensor | None, sampler_BT: Tensor, banked_B: Tensor) -> Tensor | None:
    """Old log-probs, the sampler's own for banked rows; NaN for others that need none."""
    if not banked_B.any():
        return old_BT
    fresh_BT = torch.full_like(sampler_BT, torch.nan) if old_BT is None else old_BT
    return torch.where(banked_B.unsqueeze(1), sampler_BT, fresh_BT)


def _ranges(sizes: list[int]) -> tuple[tuple[int, ...], ...]:
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(tuple(range(a, a + n)) for a, n in zip(starts, sizes, strict=True))
