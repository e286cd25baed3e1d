"""A task: questions to ask, how to put them, how often, and what makes an answer right."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from grpo.recipe.sections import Prompt
from grpo_data.problem import Problem


@dataclass(frozen=True)
class Marking:
    """The rewards that judge, and the verdicts made of them.

    `rewards` are as in a recipe: a weight, or a weight with knobs. A verdict is right where all
    its rewards found the sample correct; the first verdict is the score, the others are reported
    beside it. A reward of no verdict looks on: its mean is reported. Where there is no verdict at
    all, the first reward's mean is the score. `extractor` names the reward whose reading of the
    answer is stored.

    >>> Marking({"accuracy": 1.0, "format": 1.0}, {"strict": ("accuracy", "format")}, "accuracy")
    """

    rewards: Mapping[str, Any]
    verdicts: Mapping[str, tuple[str, ...]]
    extractor: str

    @property
    def score(self) -> str:
        """The verdict that counts, or the reward."""
        return next(iter(self.verdicts or self.rewards))

    @property
    def watched(self) -> tuple[str, ...]:
        """The rewards that look on."""
        judging = {name for names in self.verdicts.values() for name in names}
        return tuple(name for name in self.rewards if name not in judging)

    def is_right(self, verdict: str, outcomes: Mapping[str, str]) -> bool:
        """Whether `outcomes`, by reward, are right by `verdict`."""
        return all(outcomes.get(name) == "correct" for name in self._rewards_of(verdict))

    def outcome(self, outcomes: Mapping[str, str]) -> str:
        """The score's outcome: the first of its rewards' that is not correct."""
        found = [outcomes[name] for name in self._rewards_of(self.score)]
        return next((one for one in found if one != "correct"), "correct")

    def _rewards_of(self, verdict: str) -> tuple[str, ...]:
        return self.verdicts.get(verdict, (verdict,))


def marking(reward: str, knobs: Mapping[str, Any] = MappingProxyType({})) -> Marking:
    """The marking by one reward; by `accuracy`, with the lenient reading beside the strict one."""
    rewards: dict[str, Any] = {reward: {"weight": 1.0, **knobs} if knobs else 1.0}
    verdicts = {reward: (reward,)}
    if reward == "accuracy":
        rewards["accuracy_lenient"] = 0.0
        verdicts["lenient"] = ("accuracy_lenient",)
    return Marking(rewards, verdicts, reward)


HELD_OUT = Marking(
    {"accuracy": 1.0, "format": 1.0, "accuracy_lenient": 1.0},
    {
        "strict": ("accuracy", "format"),
        "lenient": ("accuracy_lenient",),
        "format": ("format",),
    },
    "accuracy",
)
"""A run's own problems. Strict: R1's layout and the right answer in it. Lenient: the last number
of the text is right, tags or none. Format: the layout alone."""


def looked_on(rewards: Mapping[str, Any]) -> Marking:
    """HELD_OUT with `rewards` looking on; one that judges there already gets the knobs given."""
    return Marking({**HELD_OUT.rewards, **rewards}, HELD_OUT.verdicts, HELD_OUT.extractor)


def by_rewards(rewards: Mapping[str, Any]) -> Marking:
    """The marking of what has no right answer: each reward's mean, the first one's the score."""
    return Marking(rewards, {}, next(iter(rewards)))


@dataclass(frozen=True)
class Task:
    """Problems of one benchmark (or a run's held-out ones) as they will be asked, `k` times each.

    `purpose` keeps the noise of one use from another's; `about` goes into the results as it is.

    >>> Task("gsm8k", problems, Prompt(user="{question}\\n..."), marking("accuracy"), 16,
    ...      "evaluate/gsm8k", {"source": "data/gsm8k/test.jsonl", "sha256": "9f86..."})
    """

    name: str
    problems: tuple[Problem, ...]
    prompt: Prompt
    marking: Marking
    k: int
    purpose: str
    about: Mapping[str, Any] = field(default_factory=dict)

    def plan(self) -> dict[str, Any]:
        """What must be the same for two evaluations to be one, as JSON has it.

        `questions` and `k` may grow.
        """
        plain = {
            "sha256": self.about.get("sha256"),
            "questions": len(self.problems),
            "k": self.k,
            "prompt": self.prompt.model_dump(mode="json"),
            "rewards": dict(self.marking.rewards),
            "verdicts": {name: list(rewards) for name, rewards in self.marking.verdicts.items()},
            "extractor": self.marking.extractor,
            "purpose": self.purpose,
        }
        copied: dict[str, Any] = json.loads(json.dumps(plain))
        return copied
