"""Our side: a recipe's RL stage, held at a gate before each step."""

import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path

from step.peak import gpu_peak_bytes, peak_bytes, settle
from step.ranks import start_others
from step.spec import Spec, Step, our_problems


def serve(pipe: Connection | None, spec: Spec, folder: Path) -> None:
    """Run in `folder`/ours; before each step wait for a word on `pipe`, after it send a Step.
    Without one, run along with the process that has it."""
    if pipe is not None:
        start_others(serve, spec, folder)
    from grpo.pipeline import run
    from grpo.recipe.load import parse_recipe

    if pipe is not None:
        _hold(pipe, spec)
    knobs = [f"{key}={value}" for key, value in spec.knobs.items()]
    run(parse_recipe(recipe(spec, our_problems(folder)), overrides=knobs), folder / "ours")


def _hold(pipe: Connection, spec: Spec) -> None:
    """Have a stage's logbook wait for a word before each step, and say what a step took."""
    from grpo.workbench.logbook import Logbook

    enter, write = Logbook.__enter__, Logbook.write
    began = [0.0]

    def wait() -> None:
        pipe.recv()
        began[0] = time.perf_counter()

    def waiting_enter(logbook: Logbook) -> Logbook:
        opened = enter(logbook)
        wait()
        return opened

    def telling_write(logbook: Logbook, step: int, metrics: Mapping[str, float]) -> None:
        write(logbook, step, metrics)
        settle()
        pipe.send(_step(time.perf_counter() - began[0], metrics, spec))
        # Behind the last step too: what ends a run would slow the other side's last step.
        wait()

    Logbook.__enter__, Logbook.write = waiting_enter, telling_write  # type: ignore[method-assign]


def _step(seconds: float, metrics: Mapping[str, float], spec: Spec) -> Step:
    timed = {name.removeprefix("time/"): s for name, s in metrics.items() if name[:5] == "time/"}
    del timed["step"]
    drawn = metrics.get("refill/prompts", spec.prompts) * spec.group
    return Step(
        seconds,
        timed,
        metrics["completions/mean_length"] * drawn,
        peak_bytes(),
        gpu_peak_bytes(),
        metrics["reward"],
        1.0 - metrics["frac_reward_zero_std"],
    )


def recipe(spec: Spec, problems: Path) -> str:
    """The recipe whose one stage, `zero`, makes the steps."""
    rewards = ", ".join(f'"{name}": {weight}' for name, weight in spec.rewards.items())
    return f"""
name: bench
seed: {spec.seed}
model: {{path: {spec.model}, dtype: {spec.dtype}}}
data: {{path: {problems}, held_out: 0}}
rewards: {{{rewards}}}
sampler:
  max_model_len: {256 + spec.max_tokens}
  max_num_seqs: {spec.prompts * spec.group}
  kv_cache_gib: {spec.kv_cache_gib}
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
