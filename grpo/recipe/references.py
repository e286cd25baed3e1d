"""How a stage names another: `parent: NAME`, and `stage:NAME` wherever else a knob holds a path.

Here names are only found and told apart; whether they fit is for `linked`, and which file or
folder they come to for whoever runs the stage.
"""

import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

from grpo.recipe.base import KeyPath
from grpo.recipe.shipped import shipped_model

BASE = "base"
STAGE = "stage:"
NAME = r"^[a-z0-9][a-z0-9_-]*$"


def references(tree: Any, at: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """(key, NAME) of every text `stage:NAME` in a stage's plain values, in their order."""
    if isinstance(tree, str) and tree.startswith(STAGE):
        yield at, tree.removeprefix(STAGE)
    items = tree.items() if isinstance(tree, dict) else ()
    for key, value in items if items else enumerate(tree if isinstance(tree, list) else ()):
        yield from references(value, (*at, key))


def replaced(tree: Any, path_of: Callable[[KeyPath, str], str], at: KeyPath = ()) -> Any:
    """The plain values with `path_of(key, NAME)` in the place of every `stage:NAME`."""
    if isinstance(tree, str) and tree.startswith(STAGE):
        return path_of(at, tree.removeprefix(STAGE))
    if isinstance(tree, dict):
        return {key: replaced(value, path_of, (*at, key)) for key, value in tree.items()}
    if isinstance(tree, list):
        return [replaced(value, path_of, (*at, place)) for place, value in enumerate(tree)]
    return tree


def bare(name: str) -> str:
    """A checkpoint's name without the mark that tells a stage's from a folder's."""
    return name.removeprefix(STAGE)


def is_outside(name: str) -> bool:
    """Whether a parent's or a teacher's name is no stage's: a folder, RUN:STAGE, a hub's or a
    shipped model's. A folder that could be taken for a stage is written with a slash: ./NAME."""
    if name.startswith(STAGE):
        return False
    return not re.match(NAME, name) or shipped_model(name) is not None


def no_such(name: str, here: str, names: Collection[str], earlier: Collection[str]) -> str:
    """Why the stage `here` cannot have `name`, which of all `names` is none of the `earlier`."""
    if name == here:
        return f"{name!r} is this very stage; a stage takes from those before it"
    if name in names:
        return f"{name!r} comes later; a stage takes from those before it"
    return f"no earlier stage is called {name!r}; known here: {', '.join(sorted(earlier))}"
