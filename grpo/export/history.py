"""What a run's folder tells of a checkpoint: the stages behind it, and the scores on the way.

A score is told with the weights it was measured on, which are found by their hash. What was scored
and lies not on the way to this checkpoint is left out.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpo.errors import UserError
from grpo.eval.result import RESULTS, estimates, read_result
from grpo.export.origin import Origin
from grpo.report.run_directory import RunDirectory
from grpo.report.scores import Score, number, read_score
from grpo.run.identity import weights_hash

BASE, THIS = "base", "this model"


@dataclass(frozen=True)
class Measured:
    """One verdict on one policy. `cut` is the share of samples that ran into the length limit;
    `warnings` are what may have bent the benchmark's score.

    >>> Measured("zero, step 40", "held-out", "strict", Score(0.71, 0.68, 0.74), "1,000 x 1",
    ...          "temperature 0.6, top-p 0.95", 0.02, ())
    """

    policy: str
    benchmark: str
    verdict: str
    score: Score
    asked: str
    sampling: str
    cut: float | None
    warnings: tuple[str, ...]


def stages_behind(origin: Origin) -> Mapping[str, Mapping[str, Any]]:
    """The stages that made the checkpoint, its own among them, in the recipe's order."""
    if origin.run is None or origin.stage is None:
        return {}
    stages, behind = origin.run.stages, {origin.stage}
    for name in reversed(list(stages)):
        if name in behind:
            behind |= {*stages[name].get("parents", ()), str(stages[name].get("parent"))}
    return {name: stage for name, stage in stages.items() if name in behind}


def measured(origin: Origin, extra: Sequence[Path]) -> list[Measured]:
    """The scores of the run on the way to the checkpoint, then those of the results in `extra`.

    Raises UserError for an extra result that is none, or is about other weights.
    """
    policies = _policies(origin)
    found = [*_of_run(origin.run), *(_of_this(folder, policies) for folder in extra)]
    return [line for results in found for line in _lines(results, policies)]


def _policies(origin: Origin) -> dict[str, str]:
    """Hash of weights to the name of whose they are; the exported ones are `this model`."""
    named: dict[str, str] = {}
    for name, stage in stages_behind(origin).items():
        if "sha256" in stage:
            named[str(stage["sha256"])] = f"{name}, step {stage.get('steps')}"
    base = origin.run.manifest.get(BASE) if origin.run else None
    if isinstance(base, Mapping) and "sha256" in base:
        named[str(base["sha256"])] = BASE
    return named | {weights_hash(origin.folder): THIS}


def _of_run(run: RunDirectory | None) -> Iterator[Mapping[str, Any]]:
    for evaluation in run.evaluations if run else ():
        file = run.path / "evaluations" / evaluation["stage"] / RESULTS if run else Path()
        yield json.loads(file.read_text())


def _of_this(folder: Path, policies: Mapping[str, str]) -> Mapping[str, Any]:
    results = read_result(folder).results
    if policies.get(results["checkpoint"].get("sha256")) != THIS:
        raise UserError(
            f"{folder} is a result of other weights; evaluate this checkpoint, or drop it"
        )
    return results


def _lines(results: Mapping[str, Any], policies: Mapping[str, str]) -> Iterator[Measured]:
    policy = policies.get(results.get("checkpoint", {}).get("sha256", ""))
    if policy is None:
        return
    sampling = _sampling(results.get("knobs", {}).get("sampling", {}))
    for benchmark, found in results["benchmarks"].items():
        asked = f"{found['questions']:,} x {found['k']}"
        cut, warnings = number(found.get("truncated")), tuple(found.get("warnings", ()))
        for verdict, estimate in _shares(found).items():
            if score := read_score({verdict: estimate}, verdict):
                yield Measured(policy, benchmark, verdict, score, asked, sampling, cut, warnings)


def _shares(found: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The scores of a benchmark that a card can say in percent: verdicts, and the rewards whose
    means are shares."""
    rewards = found.get("rewards", {})
    named = {found["verdict"], *found["scores"], *rewards}
    return {
        name: estimate
        for name, estimate in estimates(found).items()
        if name in named and rewards.get(name, {}).get("share", True)
    }


def _sampling(knobs: Mapping[str, Any]) -> str:
    """Knobs in words; greedy decoding is held as the one likeliest token of each step."""
    drawn = ("temperature {temperature:g}", "top-p {top_p:g}")
    told = (("greedy",) if knobs.get("top_k") == 1 else drawn) + ("up to {max_tokens:,} tokens",)
    try:
        return ", ".join(told).format(**knobs)
    except (KeyError, ValueError):
        return ""
