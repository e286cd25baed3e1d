"""Which rewards were chosen: each with its weight and its knobs, found, and built where it ships.

This is where a recipe's `rewards` section is read; running them is the scorer's.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grpo_rewards.errors import RewardError
from grpo_rewards.rule import RuleReward
from grpo_rewards.table import Target, find, load

Setting = float | Mapping[str, Any]
"""A weight, or a weight and knobs: `0.5`, `{"weight": 0.5, "variant": "think"}`."""


@dataclass(frozen=True)
class Chosen:
    """The rewards by name, in their order; `rules` are those that ship, ready to judge.

    >>> Chosen({"format": 0.5}, {"format": {"variant": "think"}}, (Target("format", ...),),
    ...        {"format": RuleReward("format", ...)})
    """

    weights: Mapping[str, float]
    knobs: Mapping[str, Mapping[str, Any]]
    targets: tuple[Target, ...]
    rules: Mapping[str, RuleReward]

    def needing_worker(self) -> tuple[tuple[Target, ...], tuple[Target, ...]]:
        """The targets that cannot be judged in the caller's process alone: light ones, and those
        that judge in batches by something large."""
        heavy = tuple(t for t in self.targets if t.name in self.rules and self.rules[t.name].batch)
        light = tuple(
            target
            for target in self.targets
            if target not in heavy
            and (target.name not in self.rules or self.rules[target.name].needs_worker)
        )
        return light, heavy


def choose(rewards: Mapping[str, Setting]) -> Chosen:
    """The rewards named, found and their knobs checked; users' code is not run yet.

    Raises RewardError: none is named, a name nothing is found by, a weight that is no finite
    number, a knob the reward does not have.
    """
    if not rewards:
        raise RewardError('no reward is named; name one with its weight, as {"accuracy": 1.0}')
    split = {name: weight_and_knobs(name, setting) for name, setting in rewards.items()}
    targets = tuple(map(find, rewards))
    rules = {t.name: _rule(t, split[t.name][1]) for t in targets if t.is_built_in}
    weights = {name: weight for name, (weight, _) in split.items()}
    return Chosen(weights, {name: knobs for name, (_, knobs) in split.items()}, targets, rules)


def weight_and_knobs(name: str, setting: Setting) -> tuple[float, dict[str, Any]]:
    """A setting taken apart; the weight is 1 where only knobs are given."""
    knobs = dict(setting) if isinstance(setting, Mapping) else {"weight": setting}
    weight = knobs.pop("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
        raise RewardError(f"reward {name!r}: the weight must be a finite number, got {weight!r}")
    return float(weight), knobs


def _rule(target: Target, knobs: Mapping[str, Any]) -> RuleReward:
    reward = load(target, knobs)
    if not isinstance(reward, RuleReward):
        raise RewardError(f"reward {target.name!r} stands in the table but is no RuleReward")
    return reward
