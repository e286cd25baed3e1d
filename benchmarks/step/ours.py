"""Our side: a recipe's RL stage, held at a gate before each step."""

import resource
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from step.spec import REWARDS, Spec, Step

PARTS = ("sampling", "rewards", "logprobs", "update", "sync")


def serve(pipe: Connection, spec: Spec, problems: Path) -> None:
    """Run; before each step wait for a word on `pipe`, after it send a Step."""
    from grpo.pipeline import run
    from grpo.recipe.load import parse_recipe
    from grpo.rollout.shelf import RolloutShelf
    from grpo.stages.logbook import Logbook

    began = [0.0]
    take, write = RolloutShelf.take, Logbook.write

    def gated_take(shelf: RolloutShelf, step: int, drawn: Callable[[], Sequence[Any]]) -> Any:
        pipe.recv()
        began[0] = time.perf_counter()
        return take(shelf, step, drawn)

    def telling_write(logbook: Logbook, step: int, metrics: Mapping[str, float]) -> None:
        pipe.send(_step(time.perf_counter() - began[0], metrics, spec))
        write(logbook, step, metrics)

    RolloutShelf.take, Logbook.write = gated_take, telling_write  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        run(parse_recipe(_recipe(spec, problems), overrides=_overrides(spec)), Path(folder) / "run")


def _step(seconds: float, metrics: Mapping[str, float], spec: Spec) -> Step:
    parts = {name: metrics.get(f"time/{name}", 0.0) for name in PARTS}
    tokens = metrics["completions/mean_length"] * spec.prompts * spec.group
    return Step(seconds, parts, tokens, peak_bytes(), metrics["reward"])


def peak_bytes() -> int:
    """The most memory so far: the GPU's, where there is one, else the process's."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _overrides(spec: Spec) -> list[str]:
    return [f"{key}={value}" for key, value in spec.knobs.items()]


def _recipe(spec: Spec, problems: Path) -> str:
    rewards = ", ".join(f"{name}: {weight}" for name, weight in REWARDS.items())
    return f"""
name: bench
model: {{path: {spec.model}, dtype: {spec.dtype}}}
data: {{path: {problems}, held_out: 0}}
rewards: {{{rewards}}}
sampler: {{max_model_len: 384, max_num_seqs: {spec.prompts * spec.group}, kv_cache_gib: 1.0}}
runtime: {{threads: {spec.threads}}}
track: {{to: []}}
stages:
  - name: zero
    kind: rl
    steps: {spec.steps}
    prompts: {spec.prompts}
    group_size: {spec.group}
    sampling: {{temperature: 1.0, max_tokens: {spec.max_tokens}}}
    objective: {{beta: {spec.beta}}}
    optimizer: {{lr: {spec.lr}}}
    checkpoint: {{every: 100000}}
"""
