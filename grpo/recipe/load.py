"""From a file, or a shipped recipe's name, and overrides to one frozen Recipe.

Everything that is wrong is said at once, each fault with its file, line and key; nothing is
guessed and nothing is dropped. What needs the disk (is the model there?) is left to a `LookUp`.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from grpo.errors import UserError
from grpo.recipe.base import Section
from grpo.recipe.dump import dump_recipe
from grpo.recipe.explain import explain
from grpo.recipe.rules import broken_rules
from grpo.recipe.schema import Recipe
from grpo.recipe.shipped import find_recipe
from grpo.recipe.walk import section_of
from grpo.recipe.written import Written

__all__ = ["LookUp", "dump_recipe", "load_recipe", "parse_recipe", "recipe_above"]

LookUp = Callable[[Recipe], Iterable[tuple[str, str]]]
"""Yields (dotted key, sentence) for each thing that a right recipe points at and is not there."""


def load_recipe(
    path_or_name: str | Path, overrides: Sequence[str] = (), look_up: LookUp = lambda recipe: ()
) -> Recipe:
    """The recipe in a file, or the shipped one of that name, with `KEY=VALUE` overrides.

    Raises UserError: no such recipe, not strict YAML, keys and values the schema refuses, or what
    `look_up` finds missing.
    """
    path = find_recipe(str(path_or_name))
    return parse_recipe(_text(path), str(path), overrides, look_up)


def parse_recipe(
    text: str,
    file: str = "recipe",
    overrides: Sequence[str] = (),
    look_up: LookUp = lambda recipe: (),
) -> Recipe:
    """The recipe in `text`; `file` is what errors call it. Raises UserError."""
    written = Written(text, file)
    for override in overrides:
        written.override(override)
    filled = _with_defaults(written.tree, Recipe)
    try:
        # as JSON, because there strict means: a list may become a tuple, "3" never a number
        recipe = Recipe.model_validate_json(json.dumps(filled), strict=True)
    except ValidationError as error:
        raise UserError(explain(error, written)) from None
    faults = [f"{written.place(rule.at)}: {rule}" for rule in broken_rules(recipe)] or [
        f"{written.place(written.path(key))}: key {key!r}: {sentence}"
        for key, sentence in look_up(recipe)
    ]
    if faults:
        raise UserError("\n".join(faults))
    return recipe


def recipe_above(folder: Path) -> Recipe | None:
    """The recipe of the run that `folder`, such as a checkpoint, lies in; None outside of runs."""
    for parent in (folder.resolve(), *folder.resolve().parents):
        if (parent / "manifest.json").is_file() and (parent / "recipe.yaml").is_file():
            return load_recipe(parent / "recipe.yaml")
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file in UTF-8 (byte {error.start})") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error


def _with_defaults(tree: Any, section: type[Section]) -> Any:
    """The tree with each section that is written in part completed from its owner's default.

    An evaluate stage samples at temperature 0.6; writing `sampling: {max_tokens: 64}` there must
    change the length alone, though a Sampling on its own starts from temperature 1.
    """
    fields = section.model_fields
    return {key: _completed(value, fields.get(key)) for key, value in tree.items()}


def _completed(value: Any, field: FieldInfo | None) -> Any:
    if field is None:
        return value
    if isinstance(value, list):
        return [_nested(item, field) for item in value]
    if isinstance(value, dict) and isinstance(field.default, Section):
        value = field.default.model_dump(mode="json", exclude_unset=True) | value
    return _nested(value, field)


def _nested(value: Any, field: FieldInfo) -> Any:
    section = section_of(field.annotation, value) if isinstance(value, dict) else None
    return _with_defaults(value, section) if section else value
