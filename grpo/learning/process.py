"""What one reward's steps add to a lesson: advantages of their own, token by token.

The other rewards stay an outcome: their sum is taken over each completion as ever.
"""

# P = groups, G = completions a group, B = P * G completions, T = tokens of the longest completion

from collections.abc import Mapping

import torch
from torch import Tensor

from grpo.errors import UserError
from grpo.objective import dead_groups, process_advantages
from grpo.recipe.schema import Recipe
from grpo.recipe.stages import Rl
from grpo.rollout.rewards import step_scores
from grpo.types import Group, Judgement, Rollout
from grpo.workbench import domains


class Process:
    """`objective.process` of a stage: the reward `name`, whose steps stand for themselves."""

    def __init__(self, name: str, stage: Rl, recipe: Recipe) -> None:
        self._name, self._stage = name, stage
        paid = recipe.rewards if stage.rewards is None else stage.rewards
        self._weights = {reward: one.weight for reward, one in paid.items()}
        self._by_domain = domains.weights(stage)

    def outcomes_PG(self, rollout: Rollout) -> Tensor:
        """What all other rewards pay; NaN where none of them judged, 0 where there are none."""
        return torch.tensor(
            [
                [self._outcome(judgement, self._paying(group)) for judgement in group.judgements]
                for group in rollout.groups
            ]
        )

    def advantages_BT(self, rollout: Rollout) -> Tensor:
        """The weight of the reward times the advantages of its steps."""
        scores_PGK, last_PGK = step_scores(rollout, self._name)
        T = max(len(c.token_ids) for group in rollout.groups for c in group.completions)
        scale = self._stage.objective.scale
        advantages_PGT = process_advantages(scores_PGK, last_PGK, T, scale=scale)
        return (self._weights_P(rollout)[:, None, None] * advantages_PGT).flatten(0, 1)

    def live_P(self, rollout: Rollout) -> Tensor:
        """bool_P: whether steps of the group differ in what they are worth.

        Raises UserError for a reward that gives completions a number.
        """
        for group in rollout.groups:
            self._check(group)
        scores_PGK, _ = step_scores(rollout, self._name)
        return ~dead_groups(scores_PGK.flatten(1)) & (self._weights_P(rollout) != 0)

    def _outcome(self, judgement: Judgement, weights: Mapping[str, float]) -> float:
        others = {name: part for name, part in judgement.parts.items() if name != self._name}
        known = [weights[name] * part for name, part in others.items() if part is not None]
        return float("nan") if others and not known else sum(known, 0.0)

    def _weights_P(self, rollout: Rollout) -> Tensor:
        """The reward's weight in each group; 0 where it does not pay for the group's domain."""
        return torch.tensor([self._paying(group).get(self._name, 0.0) for group in rollout.groups])

    def _paying(self, group: Group) -> Mapping[str, float]:
        """The weights of the rewards that judged the group."""
        return self._by_domain[group.problem.domain] if self._by_domain else self._weights

    def _check(self, group: Group) -> None:
        judged = [j for j in group.judgements if j.parts.get(self._name) is not None]
        if any(self._name not in judgement.steps for judgement in judged):
            raise UserError(
                f"stage {self._stage.name!r}: objective.process is {self._name!r}, which gives a "
                "completion a number; let it return a list of (end, score), or leave the knob out"
            )
