"""The data source `reasoning_gym:TASK,TASK,...`: problems drawn by reasoning-gym's generators.

Each row carries what its task's own scorer needs; scoring is the reward's of the same name.
Curricula are left out, and the task `composite`: name several tasks instead.
"""

import difflib
import importlib
import importlib.util
import io
import json
import math
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import fields
from types import ModuleType
from typing import Any

from grpo_data.problem import Problem

COLUMN = "reasoning_gym"
"""Where a row keeps its task, the task's settings, the oracle's answer and the metadata."""

DEFAULT_SIZE = 500
_TOOLS = {"zebra_puzzles": "pycosat"}
_REQUIREMENT = "reasoning-gym==0.1.25"


def problems(tasks: str, *, size: int | None = None, **config: Any) -> list[Problem]:
    """`size` problems (500 if not given), one of each named task in turn.

    `config` holds reasoning-gym's own settings, `seed` (0 if not given) among them; what is for one
    task alone stands under its name: `{"seed": 7, "gcd": {"max_value": 100}}`. reasoning-gym adds
    a problem's number to the seed, so two seeds share problems unless they lie `size` apart. A
    question that comes twice is taken once; a longer list begins with the shorter one. A task
    that has no one right answer has an empty `answer`.

    Raises ValueError for an unknown task or setting, values the task refuses, and where
    reasoning-gym is not installed.
    """
    names = tasks.split(",")
    size = DEFAULT_SIZE if size is None else size
    settings = _settings(tasks, names, config)
    sets = [_dataset(name, settings[name], math.ceil(size / len(names))) for name in names]
    drawn: dict[str, Problem] = {}
    for number in range(size):
        index, turn = divmod(number, len(names))
        entry = _entry(sets[turn], names[turn], index)
        problem = _problem(names[turn], index, settings[names[turn]], entry)
        drawn.setdefault(problem.key, problem)
    return list(drawn.values())


def _problem(
    name: str, index: int, settings: Mapping[str, Any], entry: Mapping[str, Any]
) -> Problem:
    told = {"task": name, "config": settings, "answer": entry["answer"]}
    # As JSON has it, so that what is scored in the run is what its record holds.
    row = json.loads(json.dumps({**told, "metadata": entry["metadata"]}))
    return Problem(
        id=f"{name}-{index}",
        question=entry["question"],
        answer=entry["answer"] or "",
        key=entry["question"],
        columns={"kind": name, COLUMN: row},
    )


def _settings(tasks: str, names: list[str], config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The settings of each task: those for all, then its own."""
    library = _library(tasks)
    known = [name for name in library.factory.DATASETS if name != "composite"]
    for name in names:
        if name not in known:
            raise ValueError(f"reasoning_gym:{tasks}: no task {name!r}{_near(name, known)}.")
    shared = {key: value for key, value in config.items() if key not in names}
    own = {name: config.get(name, {}) for name in names}
    for name, settings in own.items():
        if not isinstance(settings, Mapping):
            raise ValueError(f"config.{name} holds the settings of a task, got {settings!r}.")
    merged = {name: {"seed": 0, **shared, **own[name]} for name in names}
    for name, settings in merged.items():
        if not isinstance(settings["seed"], int):
            raise ValueError(f"the seed of {name!r} must be a number, got {settings['seed']!r}.")
    return merged


def _dataset(name: str, settings: Mapping[str, Any], size: int) -> Any:
    tool = _TOOLS.get(name)
    if tool and importlib.util.find_spec(tool) is None:
        raise ValueError(
            f"the task {name!r} needs {tool}, which wants a C compiler: pip install {tool}."
        )
    library = _library(name)
    config_class = library.factory.DATASETS[name][1]
    known = [field.name for field in fields(config_class) if field.name != "size"]
    for key in settings:
        if key not in known:
            raise ValueError(f"the task {name!r} has no setting {key!r}{_near(key, known)}.")
    try:
        return library.create_dataset(name, **{**settings, "size": size})
    except Exception as error:
        raise ValueError(f"the task {name!r} refuses its settings: {error}.") from error


def _entry(dataset: Any, name: str, index: int) -> Mapping[str, Any]:
    try:
        with redirect_stdout(io.StringIO()):  # some generators print dots
            entry: Mapping[str, Any] = dataset[index]
    except Exception as error:
        raise ValueError(f"the task {name!r} makes no problem {index}: {error!r}.") from error
    return entry


def _near(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3)
    return f"; near it are {', '.join(near)}" if near else f"; there are {', '.join(known)}"


def _library(wanted: str) -> ModuleType:
    """reasoning-gym. It imports pycosat at once, which has no wheel, for one task in a hundred: an
    empty module stands in for it where it is not installed."""
    if importlib.util.find_spec("reasoning_gym") is None:
        raise ValueError(f"reasoning_gym:{wanted}: not installed; pip install {_REQUIREMENT}.")
    is_lacking = importlib.util.find_spec("pycosat") is None
    if is_lacking:
        sys.modules["pycosat"] = ModuleType("pycosat")
    try:
        return importlib.import_module("reasoning_gym")
    finally:
        if is_lacking:
            del sys.modules["pycosat"]
