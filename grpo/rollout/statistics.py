"""What a rollout looks like in numbers, under the names TRL users know."""

import statistics
from collections import Counter
from collections.abc import Iterable

import torch

from grpo.objective import dead_groups
from grpo.rollout.rewards import rewards_PG, step_scores
from grpo.types import Rollout


def rollout_metrics(rollout: Rollout) -> dict[str, float]:
    """Rewards, outcomes and lengths (tokens) of all completions of the rollout; what is said of one
    reward is said of the completions it judged.

    What reward functions logged goes by its own name, where no metric of ours has it.
    """
    judged = {**_rewards(rollout), **_parts(rollout), **_steps(rollout)}
    return {**rollout.metrics, **judged, **length_metrics(rollout)}


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
    for name in dict.fromkeys(name for j in judgements for name in j.parts):
        mine = [j for j in judgements if name in j.parts]
        known = [part for j in mine if (part := j.parts[name]) is not None]
        if known:
            metrics[f"rewards/{name}/mean"] = statistics.fmean(known)
        if len(known) > 1:
            metrics[f"rewards/{name}/std"] = statistics.stdev(known)
        counts = Counter(j.outcomes.get(name, "none") for j in mine)
        for outcome, count in sorted(counts.items()):
            metrics[f"outcomes/{name}/{outcome}"] = count / len(mine)
    return metrics


def domain_metrics(rollout: Rollout, domains: Iterable[str]) -> dict[str, float]:
    """Each domain's share of the groups and, where it has any, its mean reward and dead groups."""
    metrics: dict[str, float] = {}
    for name in domains:
        groups = tuple(group for group in rollout.groups if group.problem.domain == name)
        metrics[f"domains/{name}/frac_prompts"] = len(groups) / len(rollout.groups)
        if groups:
            own = _rewards(Rollout(rollout.step, groups))
            metrics |= {f"domains/{name}/{key}": value for key, value in own.items()}
    return metrics


def _steps(rollout: Rollout) -> dict[str, float]:
    """Of each reward that scores steps: how many a completion has, and what they are worth."""
    judgements = [judgement for group in rollout.groups for judgement in group.judgements]
    metrics: dict[str, float] = {}
    for name in sorted({name for judgement in judgements for name in judgement.steps}):
        scores_PGK, _ = step_scores(rollout, name)
        known = scores_PGK[~scores_PGK.isnan()]
        dead_P = dead_groups(scores_PGK.flatten(1))
        metrics[f"process/{name}/steps"] = len(known) / len(judgements)
        metrics[f"process/{name}/frac_zero_std"] = float(dead_P.float().mean())
        if len(known):
            metrics[f"process/{name}/mean"] = float(known.mean())
    return metrics


def length_metrics(rollout: Rollout) -> dict[str, float]:
    """How many tokens the completions have, and how many were cut off."""
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
    return sum(token_counts(rollout))


def token_counts(rollout: Rollout) -> list[int]:
    """Tokens of each completion with its prompt, in the rollout's order."""
    return [
        len(group.prompt_ids) + len(completion.token_ids)
        for group in rollout.groups
        for completion in group.completions
    ]
