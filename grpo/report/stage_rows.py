"""The checkpoints of a run that were evaluated, in the order they were made: the rows of tables.

A stage that makes no weights of its own (an evaluation, rejection sampling) hands on its parent's,
so what was evaluated after it is its parent's checkpoint.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from grpo.report.run_directory import RunDirectory
from grpo.report.tables import policy_name

TRAINED = ("pretrain", "sft", "rl", "distill", "reward_model")
TUNED = ("sft", "rl", "distill")
_PASSING = ("evaluate", "reject")

Found = Mapping[str, Any]
"""The results of one benchmark."""


@dataclass(frozen=True)
class Policy:
    """An evaluated checkpoint: the stage that made it, the stage's kind and where that began.

    `found` maps a benchmark ("held-out", "general") to its results, `stages` to the evaluate stage
    they are of; `extra` tells a second evaluation of one checkpoint on the same benchmark, `draft`
    what an MTP draft was worth.

    >>> Policy("reasoning-rl", "rl", "cold-start", {"held-out": {...}}, {"held-out": "rl-look"})
    """

    name: str
    kind: str
    parent: str
    found: Mapping[str, Found] = field(default_factory=dict)
    stages: Mapping[str, str] = field(default_factory=dict)
    extra: str = ""
    draft: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What tells it from all others."""
        return f"{self.name} ({self.extra})" if self.extra else self.name


def is_chain(run: RunDirectory) -> bool:
    """Whether more than one stage tunes a policy, so that before and after are not all."""
    kinds = [stage.get("kind") for stage in run.stages.values()]
    return sum(kind in TUNED for kind in kinds) > 1


def policies(run: RunDirectory) -> list[Policy]:
    """The run's evaluated checkpoints, base first, then as their stages stand in the recipe."""
    order = {name: place for place, name in enumerate(run.stages)}
    rows: dict[str, list[Policy]] = {}
    for evaluation in run.evaluations:
        name = made_by(run, policy_name(evaluation))
        _add(rows.setdefault(name, []), _policy(run, name), evaluation)
    names = sorted(rows, key=lambda name: order.get(name, -1))
    return [policy for name in names for policy in rows[name]]


def made_by(run: RunDirectory, name: str) -> str:
    """The stage whose weights the stage `name` puts out; `base` and folders are themselves."""
    seen: set[str] = set()
    while name not in seen and run.stages.get(name, {}).get("kind") in _PASSING:
        seen.add(name)
        name = str(run.stages[name].get("parent") or "base")
    return name


def _policy(run: RunDirectory, name: str) -> Policy:
    stage = run.stages.get(name, {})
    return Policy(name, str(stage.get("kind") or ""), str(stage.get("parent") or ""))


def _add(rows: list[Policy], bare: Policy, evaluation: Mapping[str, Any]) -> None:
    """Put the evaluation into the first of the policy's rows that has room for it."""
    new, stage = dict(evaluation["benchmarks"]), str(evaluation["stage"])
    draft = evaluation.get("draft", {})
    if not rows:
        rows.append(bare)
    for place, row in enumerate(rows):
        if not new.keys() & row.found.keys():
            stages = dict.fromkeys(new, stage)
            rows[place] = replace(
                row,
                found={**row.found, **new},
                stages={**row.stages, **stages},
                draft=row.draft or draft,
            )
            return
    stages = dict.fromkeys(new, stage)
    rows.append(replace(bare, found=new, stages=stages, extra=stage, draft=draft))
