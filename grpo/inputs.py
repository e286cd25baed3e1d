"""What a recipe points at (model, problems, rewards), looked up before any model loads.

Only what is on this machine is opened, and of a file only its first problem. Names on the hub
are taken on trust: asking would need the network, and loading them asks anyway.
"""

import ast
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from grpo.errors import UserError
from grpo.recipe.near import did_you_mean
from grpo.recipe.schema import Recipe
from grpo.recipe.sections import Data
from grpo.recipe.shipped import shipped_model, shipped_models
from grpo_data.readers import READERS
from grpo_data.sources import GENERATORS, load_problems
from grpo_rewards.table import find

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")

_HUB_DATA = re.compile(r"([A-Za-z0-9][\w.-]*/)?[\w.-]+")
"""Old data sets have no owner."""

_FOLDERS = ("models", "runs", "checkpoints", "data")
"""First parts of a path that nobody means as an owner on the hub."""


def check_inputs(recipe: Recipe) -> None:
    """Raises UserError with everything that is missing or of the wrong shape, a line each."""
    faults = [*_model_faults(recipe), *_data_faults(recipe), *_reward_faults(recipe)]
    if faults:
        raise UserError("\n".join(f"key {key!r}: {sentence}" for key, sentence in faults))


def check_model(name: str) -> None:
    """Raises UserError unless `name` is a folder of weights, a shipped model or a hub name.

    Relative paths are taken from where the command runs.
    """
    folder = Path(name)
    if (folder / "config.json").is_file() or shipped_model(name) is not None:
        return
    if folder.is_dir():
        raise UserError(f"{name!r} is a folder without config.json, so it holds no model")
    if folder.is_file():
        raise UserError(f"{name!r} is a file; a model is a folder with config.json in it")
    if not _HUB_NAME.fullmatch(name) or _is_meant_as_path(name):
        raise UserError(_no_model(name))


def _is_meant_as_path(name: str) -> bool:
    first, slash, _ = name.partition("/")
    return bool(slash) and (first in _FOLDERS or Path(first).is_dir())


def _no_model(name: str) -> str:
    if "/" in name:
        return f"there is no folder {name!r} (seen from {Path.cwd()})"
    hint = did_you_mean(name, shipped_models())
    return f"{name!r} is neither a folder, a model that ships, nor a hub name OWNER/NAME{hint}"


def _model_faults(recipe: Recipe) -> Iterator[tuple[str, str]]:
    if recipe.model is None:
        return
    try:
        check_model(recipe.model.path)
    except UserError as error:
        yield "model.path", str(error)


def _data_faults(recipe: Recipe) -> Iterator[tuple[str, str]]:
    own = {f"stages.{stage.name}.data": getattr(stage, "data", None) for stage in recipe.stages}
    for key, data in {"data": recipe.data, **own}.items():
        if data is None:
            continue
        for name in ("path", "held_out_path"):
            source = getattr(data, name)
            if source is not None:
                yield from _source_faults(f"{key}.{name}", source, data)


def _source_faults(key: str, source: str, data: Data) -> Iterator[tuple[str, str]]:
    if not _is_readable_here(source):
        is_on_hub = _HUB_DATA.fullmatch(source) and not _is_meant_as_path(source)
        if not is_on_hub and not Path(source).expanduser().is_dir():
            yield key, f"there is no file or folder {source!r} (seen from {Path.cwd()})"
        return
    try:
        load_problems(
            source,
            question=data.question,
            answer=data.answer,
            answer_after=data.answer_after,
            limit=1,
        )
    except (ValueError, FileNotFoundError) as error:
        yield key, str(error)


def _is_readable_here(source: str) -> bool:
    """Whether `source` is a generator, a file, or has a data file's ending and should be one."""
    path = Path(source).expanduser()
    kind, colon, _ = source.partition(":")
    return bool(colon and kind in GENERATORS) or path.is_file() or path.suffix.lower() in READERS


def _reward_faults(recipe: Recipe) -> Iterator[tuple[str, str]]:
    own = {f"stages.{stage.name}.": getattr(stage, "rewards", None) for stage in recipe.stages}
    for owner, rewards in {"": recipe.rewards, **own}.items():
        for name in rewards or {}:
            try:
                _check_reward(name)
            except ValueError as error:
                yield f"{owner}rewards", str(error)


def _check_reward(name: str) -> None:
    target = find(name)
    if not target.is_file:
        return
    file = Path(target.place)
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except SyntaxError as error:
        sentence = f"not valid Python: {error.msg} ({file}:{error.lineno})"
        raise ValueError(f"reward {name!r}: {sentence}") from error
    if not any(map(partial(_names, target.attribute), ast.walk(tree))):
        raise ValueError(f"reward {name!r}: no {target.attribute!r} in {file}")


def _names(name: str, node: ast.AST) -> bool:
    """Whether a node may give a module something called `name`; the file is read, never run."""
    given = {getattr(node, attribute, None) for attribute in ("name", "asname", "id")}
    return name in given or (isinstance(node, ast.alias) and node.name == "*")
