"""What a side of the step benchmark is asked to do, and what it says of a step."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from grpo_data.mixture import Stream
from grpo_data.sources import load_problems
from grpo_rewards import load_reward

SPREAD = "benchmarks/step/spread.py:spread"
REWARDS = {"accuracy": 1.0, "format": 0.5}
LIVELY = {**REWARDS, SPREAD: 0.1}
"""With a reward that hardly any two completions share: no group is dead, and no backward spared."""


@dataclass(frozen=True)
class Spec:
    """GRPO steps of one side: `prompts` x `group` completions of up to `max_tokens`, one update,
    by `processes` together.

    `knobs` are more of the recipe's keys (ours), or of GRPOConfig's (TRL's). With `keep_memory`
    TRL's process keeps what its tensors give back; ours does by itself.

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
    seed: int = 0
    threads: int = 0
    processes: int = 1
    keep_memory: bool = False
    kv_cache_gib: float = 1.0
    rewards: Mapping[str, float] = field(default_factory=lambda: LIVELY)
    knobs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """What one step took: wall-clock seconds, by part too, and what it was about.

    `peak_bytes` is the most memory that the side held up to here, reward workers included,
    `gpu_peak_bytes` the same of the GPU; `live` the share of groups whose rewards differ.

    >>> Step(7.1, {"sampling": 3.3, "update": 3.1}, 2210, 1_900_000_000, 0, 0.41, 1.0)
    """

    seconds: float
    parts: Mapping[str, float]
    completion_tokens: float
    peak_bytes: int
    gpu_peak_bytes: int
    reward: float
    live: float


def our_problems(folder: Path) -> Path:
    """Where our side finds its problems: as a data set, which it shuffles."""
    return folder / "problems.jsonl"


def their_problems(folder: Path) -> Path:
    """Where TRL finds them: as our side will meet them, so that both are asked the same."""
    return folder / "in_order.jsonl"


def write_problems(spec: Spec, folder: Path) -> None:
    """Put the problems of `spec` there, for either side."""
    problems = load_problems(spec.data, limit=4000)
    random.Random(0).shuffle(problems)
    rows = [{"question": p.question, "answer": p.answer} for p in problems]
    _write(our_problems(folder), rows)
    stream = Stream(rows, spec.seed)
    met = [stream.batch(step, spec.prompts) for step in range(spec.steps)]
    _write(their_problems(folder), [row for batch in met for row in batch])


def reward_functions(spec: Spec) -> list[object]:
    """The rewards, as TRL calls them."""
    return [load_reward(name) for name in spec.rewards]


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
