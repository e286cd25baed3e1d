"""`grpo eval --endpoint`: what somebody serves, asked and judged like a checkpoint of one's own."""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from grpo.errors import UserError
from grpo.eval.asking import benchmark_task, deviations_of, places_of
from grpo.eval.conduct import Evaluation, judging_of
from grpo.eval.endpoint import Endpoint, look_up
from grpo.eval.endpoint_answerer import EndpointAnswerer
from grpo.eval.protocol import R1_MAX_TOKENS, Knobs
from grpo.evaluate import AS_R1, OwnData, carry_out, load_asked
from grpo.machine import Machine
from grpo.recipe.sections import Model, Runtime
from grpo_rewards.workers import Scorer


def evaluate_endpoint(
    endpoint: Endpoint,
    *,
    benchmarks: Sequence[str] = (),
    data: OwnData | None = None,
    knobs: Knobs = AS_R1,
    overrides: Sequence[str] = (),
    root: Path | None = None,
    out: Path | None = None,
) -> Path:
    """Score the model behind `endpoint`, print the table, and return the folder of the result.

    `overrides` are knobs of the runtime, for the processes that judge. Raises UserError for
    whatever is wrong with the benchmarks, the endpoint or the folder; nothing that was answered is
    lost then.
    """
    loaded = load_asked(benchmarks, data, knobs, root)
    if not loaded:
        raise UserError(
            "say what to ask the endpoint: --benchmarks gsm8k,math500 (`grpo benchmarks` lists "
            "them), or --data FILE"
        )
    runtime = _runtime(overrides)
    served = look_up(endpoint)
    sampling = knobs.sampling(served.window or R1_MAX_TOKENS + 1)
    tasks = tuple(benchmark_task(one, knobs, None, has_template=True) for one in loaded)
    evaluation = Evaluation(
        tasks,
        sampling,
        knobs.seed,
        {"endpoint": endpoint.url, "model": served.model},
        {"engine": "endpoint"},
        {"deviations": deviations_of(tasks, loaded, sampling)},
        judging_of(runtime),
    )
    answerer = EndpointAnswerer(endpoint, served, sampling)
    with ExitStack() as closing:
        scorers, places = _Scorers(runtime, closing), places_of(loaded)
        return carry_out(evaluation, answerer, scorers, out, served.model, places)


def _runtime(overrides: Sequence[str]) -> Runtime:
    """The machine that judges. Raises UserError for knobs of one that samples."""
    for word in overrides:
        if not word.startswith("runtime."):
            raise UserError(
                f"{word!r} speaks of a local model, and --endpoint of another: leave one out"
            )
    return Machine(model=Model(path="")).changed(overrides).runtime


class _Scorers:
    """Reward workers by the rewards they judge with; `closing` closes them."""

    def __init__(self, runtime: Runtime, closing: ExitStack) -> None:
        self._runtime, self._closing = runtime, closing
        self._made: dict[str, Scorer] = {}

    def __call__(self, rewards: Mapping[str, Any]) -> Scorer:
        key = json.dumps(dict(rewards))
        if key not in self._made:
            scorer = Scorer(
                rewards,
                workers=self._runtime.reward_workers,
                deadline_s=self._runtime.reward_deadline,
                memory_mb=self._runtime.reward_memory_mib,
            )
            self._made[key] = self._closing.enter_context(scorer)
        return self._made[key]
