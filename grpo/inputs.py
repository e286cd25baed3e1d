"""What a recipe points at (model, problems, rewards), looked up before any model loads.

Only what is on this machine is opened, and of a file only its first problem. Names on the hub
are taken on trust: asking would need the network, and loading them asks anyway.
"""

import ast
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from grpo.errors import UserError
from grpo.eval.against import is_named
from grpo.recipe.chain import Preferences
from grpo.recipe.near import did_you_mean
from grpo.recipe.paid import Paid
from grpo.recipe.references import BASE, references
from grpo.recipe.schema import Recipe
from grpo.recipe.sections import Conversations, Data, Decontaminate
from grpo.recipe.shipped import shipped_model, shipped_models
from grpo.recipe.stages import Pretrain
from grpo_data.conversations import load_conversations
from grpo_data.overlap import read_texts
from grpo_data.preferences import load_preferences
from grpo_data.readers import READERS
from grpo_data.sources import GENERATORS, load_problems
from grpo_rewards import reward_model
from grpo_rewards.knobs import PASSED, BadKnob, check_known
from grpo_rewards.table import Target, check, find

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")

_HUB_DATA = re.compile(r"([A-Za-z0-9][\w.-]*/)?[\w.-]+")
"""Old data sets have no owner."""

Fault = tuple[str, Exception]
"""(key, what is wrong with what it points at)."""

_FOLDERS = ("models", "runs", "checkpoints", "data")
"""First parts of a path that nobody means as an owner on the hub."""


class Missing(UserError):
    """What a recipe points at is not on this machine; on another, or later, it may be."""


def input_faults(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """(key, sentence) for everything that is missing or of the wrong shape."""
    return ((key, str(error)) for key, error in _faults(recipe))


def wrong_inputs(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """(key, sentence) for everything that is there and of the wrong shape."""
    return ((k, str(error)) for k, error in _faults(recipe) if not isinstance(error, Missing))


def missing_inputs(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """(key, sentence) for everything that is not there."""
    return ((k, str(error)) for k, error in _faults(recipe) if isinstance(error, Missing))


def _faults(recipe: Recipe) -> Iterator[Fault]:
    yield from _model_faults(recipe)
    yield from _outside_faults(recipe)
    yield from _data_faults(recipe)
    yield from _reward_faults(recipe)


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
        raise _no_model(name)


def _is_meant_as_path(name: str) -> bool:
    first, slash, _ = name.partition("/")
    return bool(slash) and (first in _FOLDERS or Path(first).is_dir())


def _no_model(name: str) -> UserError:
    if "/" in name:
        return Missing(f"there is no folder {name!r} (seen from {Path.cwd()})")
    hint = did_you_mean(name, shipped_models())
    return UserError(
        f"{name!r} is neither a folder, a model that ships, nor a hub name OWNER/NAME{hint}"
    )


def _model_faults(recipe: Recipe) -> Iterator[Fault]:
    if recipe.model is None:
        return
    try:
        check_model(recipe.model.path)
    except UserError as error:
        yield "model.path", error


def _outside_faults(recipe: Recipe) -> Iterator[Fault]:
    """What is wrong with parents, teachers and tokenizers that no stage of the recipe makes."""
    made = {BASE, *(stage.name for stage in recipe.stages)}
    for stage in recipe.stages:
        for name in stage.parents:
            if name not in made and not _is_stage_of_a_run(name):
                key = "parent" if name == stage.parent else "teacher"
                try:
                    check_model(name)
                except UserError as error:
                    yield f"stages.{stage.name}.{key}", error
        if isinstance(stage, Pretrain) and stage.tokenizer is not None:
            try:
                check_model(stage.tokenizer)
            except UserError as error:
                yield f"stages.{stage.name}.tokenizer", error


def _is_stage_of_a_run(name: str) -> bool:
    """Whether `name` is RUN:STAGE, with a stage that has been begun."""
    root, _, stage = name.rpartition(":")
    manifest = Path(root) / "manifest.json"
    return manifest.is_file() and stage in json.loads(manifest.read_text()).get("stages", {})


def _data_faults(recipe: Recipe) -> Iterator[Fault]:
    own = {
        f"stages.{stage.name}.{key}": getattr(stage, key, None)
        for stage in recipe.stages
        for key in ("data", "beside")
    }
    for key, data in {"data": recipe.data, **own}.items():
        if isinstance(data, Conversations) and not any(references(data.path)):
            look = partial(load_conversations, limit=1, config=data.config)
            yield from _source_faults(f"{key}.path", data.path, look)
        if isinstance(data, Preferences) and not any(references(data.path)):
            yield from _preference_faults(key, data)
        if not isinstance(data, Data):
            continue
        columns = {name: getattr(data, name) for name in ("question", "answer", "answer_after")}
        read = partial(load_problems, limit=1, **columns)
        for name in ("path", "held_out_path"):
            source = getattr(data, name)
            if source is not None:
                config = data.config if source == data.path else {}
                yield from _source_faults(f"{key}.{name}", source, partial(read, config=config))
        yield from _gate_faults(f"{key}.decontaminate.against", data.decontaminate)


def _preference_faults(key: str, data: Preferences) -> Iterator[Fault]:
    sources = {"path": (data.path, data.config)}
    if data.held_out_path:
        sources["held_out_path"] = (data.held_out_path, data.held_out_config)
    for name, (source, config) in sources.items():
        look = partial(load_preferences, limit=1, config=config)
        yield from _source_faults(f"{key}.{name}", source, look)


def _gate_faults(key: str, gate: Decontaminate | None) -> Iterator[Fault]:
    if gate is None:
        return
    read = partial(read_texts, column=gate.question, limit=1)
    for source in gate.against:
        if not is_named(source):
            yield from _source_faults(key, source, read)


def _source_faults(
    key: str, source: str, read: Callable[[str], Iterable[object]]
) -> Iterator[Fault]:
    if not _is_readable_here(source):
        is_on_hub = _HUB_DATA.fullmatch(source) and not _is_meant_as_path(source)
        if not is_on_hub and not Path(source).expanduser().is_dir():
            yield key, Missing(f"there is no file or folder {source!r} (seen from {Path.cwd()})")
        return
    try:
        list(read(source))
    except FileNotFoundError as error:
        yield key, Missing(str(error))
    except ValueError as error:
        yield key, error


def _is_readable_here(source: str) -> bool:
    """Whether `source` is a generator, a file, or has a data file's ending and should be one."""
    path = Path(source).expanduser()
    kind, colon, _ = source.partition(":")
    return bool(colon and kind in GENERATORS) or path.is_file() or path.suffix.lower() in READERS


def _reward_faults(recipe: Recipe) -> Iterator[Fault]:
    for owner, rewards in _reward_tables(recipe):
        for name, paid in rewards.items():
            key = f"{owner}rewards.{name}"
            try:
                _check_reward(name, paid.knobs)
            except BadKnob as error:
                yield f"{key}.{error.knob}", error
            except ValueError as error:
                yield key, error


def _reward_tables(recipe: Recipe) -> Iterator[tuple[str, Mapping[str, Paid]]]:
    """(key of what owns it, with its dot; the rewards) of each table of rewards."""
    yield "", recipe.rewards
    for stage in recipe.stages:
        yield f"stages.{stage.name}.", getattr(stage, "rewards", None) or {}
        for name, domain in (getattr(stage, "domains", None) or {}).items():
            yield f"stages.{stage.name}.domains.{name}.", domain.rewards


def _check_reward(name: str, knobs: Mapping[str, Any]) -> None:
    """Raises ValueError for a reward that is not there or has not these knobs."""
    target = find(name)
    check(target, knobs)
    if target.place == reward_model.__name__ and not any(references(dict(knobs))):
        reward_model.check_folder(knobs["path"])
    if target.is_file:
        _check_file(target, knobs)


def _check_file(target: Target, knobs: Mapping[str, Any]) -> None:
    """The same for a function of a user's file, which is read and never run."""
    file = Path(target.place)
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except SyntaxError as error:
        sentence = f"not valid Python: {error.msg} ({file}:{error.lineno})"
        raise ValueError(f"reward {target.name!r}: {sentence}") from error
    if not any(map(partial(_names, target.attribute), ast.walk(tree))):
        raise ValueError(f"reward {target.name!r}: no {target.attribute!r} in {file}")
    functions = [
        one for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    for function in functions:
        if function.name == target.attribute and not function.decorator_list:
            check_known(target.name, knobs, _arguments(function.args))


def _arguments(taken: ast.arguments) -> list[str]:
    """The names a function takes by keyword, without what it is called with anyway."""
    names = [argument.arg for argument in (*taken.args, *taken.kwonlyargs)]
    return [name for name in names if name not in PASSED]


def _names(name: str, node: ast.AST) -> bool:
    """Whether a node may give a module something called `name`."""
    given = {getattr(node, attribute, None) for attribute in ("name", "asname", "id")}
    return name in given or (isinstance(node, ast.alias) and node.name == "*")
