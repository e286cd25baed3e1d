"""What a rollout looks like in numbers, under the names TRL users know."""

import statistics
from collections import Counter

import torch

from grpo.objective import dead_groups
from grpo.rollout.rewards import rewards_PG
from grpo.types import Rollout


def rollout_metrics(rollout: Rollout) -> dict[str, float]:
    """Rewards, outcomes and lengths (tokens) of all completions of the rollout.

    What reward functions logged goes by its own name, where no metric of ours has it.
    """
    return {**rollout.metrics, **_rewards(rollout), **_parts(rollout), **_lengths(rollout)}


def _rewards(rollout: Rollout) -> dict[str, float]:
    rewards = rewards_PG(rollout)
    known = [row[~row.isnan()] for row in rewards]
    stds = torch.tensor([float(row.std()) for row in known if len(row) > 1])
    return {
        "reward": float(rewards.nanmean()),
        "reward_std": float(stds.mean()),
        "frac_reward_zero_std": float(dead_groups(rewards).float().mean()),
    }


def _parts(rollout: Rollout) -> dict[str, float]:
    judgements = [judgement for group in rollout.groups for judgement in group.judgements]
    metrics: dict[str, float] = {}
    for name in judgements[0].parts:
        known = [part for j in judgements if (part := j.parts[name]) is not None]
        if known:
            metrics[f"rewards/{name}/mean"] = statistics.fmean(known)
        if len(known) > 1:
            metrics[f"rewards/{name}/std"] = statistics.stdev(known)
        counts = Counter(j.outcomes.get(name, "none") for j in judgements)
        for outcome, count in sorted(counts.items()):
            metrics[f"outcomes/{name}/{outcome}"] = count / len(judgements)
    return metrics


def _lengths(rollout: Rollout) -> dict[str, float]:
    completions = [completion for group in rollout.groups for completion in group.completions]
    lengths = [len(c.token_ids) for c in completions]
    ended = [len(c.token_ids) for c in completions if c.finish_reason == "stop"]
    return {
        "completions/mean_length": statistics.fmean(lengths),
        "completions/min_length": min(lengths),
        "completions/max_length": max(lengths),
        "completions/clipped_ratio": 1.0 - len(ended) / len(lengths),
        "completions/mean_terminated_length": statistics.fmean(ended) if ended else 0.0,
    }


def token_count(rollout: Rollout) -> int:
    """Tokens of all prompts and completions, each prompt counted with each completion."""
    prompts = sum(len(group.prompt_ids) * len(group.completions) for group in rollout.groups)
    return prompts + sum(len(c.token_ids) for group in rollout.groups for c in group.completions)
