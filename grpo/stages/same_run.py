"""Whether a folder may go on with a recipe: it must hold no run, or this recipe's."""

import json
from pathlib import Path
from typing import Any

from grpo.errors import UserError
from grpo.recipe.load import load_recipe
from grpo.recipe.schema import Recipe
from grpo.stages.run_directory import RunDirectory

# What may change between two commands of one run: how far it goes, where it runs, who watches.
FREE = {"runtime", "track"}
FREE_OF_STAGES = {"steps", "checkpoint"}


def claim(folder: RunDirectory, recipe: Recipe) -> None:
    """Make the folder this recipe's. Raises UserError when it holds another's, or other files."""
    if folder.recipe.is_file():
        other = load_recipe(str(folder.recipe))
        if differing := _differences(_essence(other), _essence(recipe)):
            raise UserError(
                f"{folder.root} holds a run of another recipe (it differs in {differing[0]}); "
                "give another --dir, or remove that folder"
            )
        return
    if folder.root.is_dir() and not all(_is_leftover(path) for path in folder.root.iterdir()):
        raise UserError(f"{folder.root} is not empty and holds no run; give another --dir")
    folder.root.mkdir(parents=True, exist_ok=True)


def _is_leftover(path: Path) -> bool:
    """Whether it is what a run killed in its very first write, its recipe's, leaves behind."""
    return path.name.startswith(".tmp-recipe.yaml-")


def _essence(recipe: Recipe) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(recipe.model_dump_json(exclude=FREE))
    for stage in plain["stages"]:
        for knob in FREE_OF_STAGES:
            stage.pop(knob, None)
    return plain


def _differences(one: Any, other: Any, key: str = "") -> list[str]:
    """The keys where two plain trees differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = [*one, *(name for name in other if name not in one)]
        return [
            found
            for name in names
            for found in _differences(one.get(name), other.get(name), f"{key}.{name}".lstrip("."))
        ]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [
            found
            for place, pair in enumerate(zip(one, other, strict=True))
            for found in _differences(*pair, f"{key}.{place}")
        ]
    return [] if one == other else [key]
