"""What lies in a run directory, read leniently: a run may be half-way or have been killed.

Whatever cannot be read is left out and named in `unreadable`. The recipe is read as plain YAML,
not through the schema, so that a run of another version still has a report.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from grpo.errors import UserError

Line: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class RolloutFile:
    """Where the completions of one step lie.

    >>> RolloutFile("zero", 12, Path("runs/r1_zero/rollouts/zero/step-000012.parquet"))
    """

    stage: str
    step: int
    path: Path


@dataclass(frozen=True)
class RunDirectory:
    """A run as far as it has come.

    `metrics` maps a stage to its lines in order of step, one a step, and `load` to those of its
    experts; `evaluations` stand in the order their stages ran.

    >>> RunDirectory(Path("runs/r1_zero"), "r1_zero", {"seed": 0}, "seed: 0", {"stages": {}},
    ...              {"zero": [{"stage": "zero", "step": 1, "reward": 0.4}]}, [], [], [], {})
    """

    path: Path
    name: str
    recipe: Mapping[str, Any]
    recipe_text: str
    manifest: Mapping[str, Any]
    metrics: Mapping[str, list[Line]]
    evaluations: list[Line]
    rollouts: list[RolloutFile]
    unreadable: list[str]
    load: Mapping[str, list[Line]]

    @property
    def stages(self) -> Mapping[str, Mapping[str, Any]]:
        """The recipe's stages in order, what the manifest says of each laid over them.

        The manifest alone has no word of a stage that is not finished.
        """
        planned = {
            str(stage["name"]): {"kind": stage.get("kind"), "parent": stage.get("parent", "base")}
            for stage in _recipe_stages(self.recipe)
        }
        done = _stage_entries(self.manifest)
        return {name: planned.get(name, {}) | done.get(name, {}) for name in planned | done}

    def planned_steps(self, stage: str) -> int | None:
        """How many steps `stage` has, by the recipe or, where that does not say, the manifest."""
        named = (s for s in _recipe_stages(self.recipe) if s["name"] == stage)
        steps = next((s.get("steps") for s in named), None) or self.stages[stage].get("planned")
        return steps if isinstance(steps, int) else None


def read_run(path: Path) -> RunDirectory:
    """Everything a report needs from the run directory `path`.

    Raises UserError when `path` holds nothing of a run.
    """
    files = ("manifest.json", "recipe.yaml", "metrics.jsonl")
    if not any((path / name).is_file() for name in files):
        raise UserError(
            f"{path} is no run directory: it holds no manifest.json, recipe.yaml or metrics.jsonl; "
            "give the folder that `grpo run` wrote, e.g. runs/r1_zero"
        )
    unreadable: list[str] = []
    text = _text(path / "recipe.yaml")
    recipe = _yaml(text, unreadable)
    manifest = _json(path / "manifest.json", unreadable)
    order = [*(str(s["name"]) for s in _recipe_stages(recipe)), *_stage_entries(manifest)]
    return RunDirectory(
        path=path,
        name=str(recipe.get("name") or manifest.get("name") or path.resolve().name),
        recipe=recipe,
        recipe_text=text,
        manifest=manifest,
        metrics=_logged(path / "metrics.jsonl", unreadable),
        load=_logged(path / "load.jsonl", unreadable),
        evaluations=_evaluations(path / "evaluations", order, unreadable),
        rollouts=_rollouts(path / "rollouts", order),
        unreadable=unreadable,
    )


def _recipe_stages(recipe: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    stages = recipe.get("stages")
    found = stages if isinstance(stages, list) else []
    return [stage for stage in found if isinstance(stage, dict) and "name" in stage]


def _stage_entries(manifest: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    stages = manifest.get("stages")
    found = stages.items() if isinstance(stages, dict) else ()
    return {name: stage for name, stage in found if isinstance(stage, dict)}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _yaml(text: str, unreadable: list[str]) -> Mapping[str, Any]:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        unreadable.append("recipe.yaml")
        return {}
    return value if isinstance(value, dict) else {}


def _json(path: Path, unreadable: list[str]) -> Line:
    """The JSON object in `path`; empty when the file is absent, and named when it is broken."""
    if not path.is_file():
        return {}
    value = _parsed(_text(path))
    if value is None:
        # Evaluations are folders, whose results are all called alike.
        folders = path.parent.parts[-1:] if path.name == "results.json" else ()
        unreadable.append("/".join((*folders, path.name)))
    return value or {}


def _parsed(text: str) -> Line | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _logged(path: Path, unreadable: list[str]) -> dict[str, list[Line]]:
    """Stage to lines; of a step logged twice, by a resumed run, the later line holds."""
    lines = [_parsed(text) for text in _text(path).splitlines() if text.strip()]
    broken = sum(line is None for line in lines)
    if broken:
        unreadable.append(f"{broken} of {len(lines)} lines of {path.name}")
    stages: dict[str, dict[int, Line]] = {}
    for line in lines:
        if line is not None and isinstance(line.get("step"), int):
            stages.setdefault(str(line.get("stage", "run")), {})[line["step"]] = line
    return {stage: [steps[step] for step in sorted(steps)] for stage, steps in stages.items()}


def _evaluations(folder: Path, order: list[str], unreadable: list[str]) -> list[Line]:
    found = []
    for path in sorted(folder.glob("*/results.json")):
        if evaluation := evaluation_of(_json(path, unreadable)):
            found.append({"stage": path.parent.name, **evaluation})
    return sorted(found, key=lambda evaluation: _place(evaluation["stage"], order))


def evaluation_of(results: Mapping[str, Any]) -> Line:
    """What a run's report tells of an evaluation's results; empty where they are not whole."""
    benchmarks = results.get("benchmarks")
    found: Line = next(iter(benchmarks.values()), {}) if isinstance(benchmarks, dict) else {}
    if not {"verdict", "avg", "scores"} <= set(found):
        return {}
    return {
        "parent": results.get("parent"),
        "sampling": results.get("knobs", {}).get("sampling"),
        "problems": found.get("questions"),
        "samples": found.get("k"),
        "scores": {found["verdict"]: found["avg"], **found["scores"]},
        "mean_length": found.get("mean_tokens"),
        "truncated": found.get("truncated"),
        "by": found.get("by", {}),
        "benchmarks": benchmarks,
        "draft": results.get("engine", {}).get("draft", {}),
    }


def _rollouts(folder: Path, order: list[str]) -> list[RolloutFile]:
    found = list(_step_files(folder))
    return sorted(found, key=lambda rollout: (*_place(rollout.stage, order), rollout.step))


def _step_files(folder: Path) -> Iterator[RolloutFile]:
    for path in folder.glob("*/step-*.parquet"):
        if match := re.fullmatch(r"step-(\d+)", path.stem):
            yield RolloutFile(path.parent.name, int(match[1]), path)


def _place(stage: str, order: list[str]) -> tuple[int, str]:
    return (order.index(stage) if stage in order else len(order), stage)
