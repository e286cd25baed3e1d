"""What both sides of the step benchmark are asked to do, and what each says of a step."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from grpo_data.sources import load_problems
from grpo_rewards import load_reward

REWARDS = {"accuracy": 1.0, "format": 0.5}


@dataclass(frozen=True)
class Spec:
    """One GRPO step: `prompts` x `group` completions of up to `max_tokens`, one update.

    >>> Spec("data/models/tiny-base", "tiny:all", prompts=8, group=8, max_tokens=128)
    """

    model: str
    data: str
    prompts: int = 8
    group: int = 8
    max_tokens: int = 128
    steps: int = 6
    dtype: str = "float32"
    beta: float = 0.001
    lr: float = 1e-6
    threads: int = 0
    knobs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """What one step took: wall-clock seconds, by part too, and the tokens it was about.

    >>> Step(7.1, {"sampling": 3.3, "update": 3.1}, 2210, 1.9e9, 0.41)
    """

    seconds: float
    parts: Mapping[str, float]
    completion_tokens: float
    peak_bytes: int
    reward: float


def problem_file(spec: Spec, folder: Path) -> Path:
    """The problems both sides read, in one order: as many as the steps take."""
    problems = load_problems(spec.data, limit=4000)
    random.Random(0).shuffle(problems)
    path = folder / "problems.jsonl"
    rows = ({"question": p.question, "answer": p.answer} for p in problems)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def reward_functions() -> list[object]:
    """The rewards, as TRL calls them."""
    return [load_reward(name) for name in REWARDS]
