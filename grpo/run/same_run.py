"""Whether a folder may go on with a recipe: it must hold no run, or the run of that name.

A knob that changed is no other run: the pipeline does again the stages that hang on it.
"""

from pathlib import Path

from grpo.errors import UserError
from grpo.recipe.load import load_recipe
from grpo.recipe.schema import Recipe
from grpo.run.run_directory import RunDirectory


def claim(folder: RunDirectory, recipe: Recipe) -> None:
    """Make the folder this recipe's. Raises UserError when it holds another's, or other files."""
    if folder.recipe.is_file():
        other = load_recipe(str(folder.recipe))
        if other.name != recipe.name:
            raise UserError(
                f"{folder.root} holds a run of another recipe, {other.name!r}; give another --dir, "
                "or remove that folder"
            )
        return
    if folder.root.is_dir() and not all(_is_leftover(path) for path in folder.root.iterdir()):
        raise UserError(f"{folder.root} is not empty and holds no run; give another --dir")
    folder.root.mkdir(parents=True, exist_ok=True)


def _is_leftover(path: Path) -> bool:
    """Whether it is what a run killed in its very first write, its recipe's, leaves behind."""
    return path.name.startswith(".tmp-recipe.yaml-")
