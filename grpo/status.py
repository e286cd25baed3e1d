"""`grpo status`: a run's stages as a tree, each under its parent, with what it came to."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from grpo.errors import UserError
from grpo.recipe.load import load_recipe
from grpo.recipe.schema import Recipe
from grpo.stages.run_directory import RunDirectory

_MARKS = {"done": ("done", "green"), "running": ("cut off", "yellow"), "stale": ("stale", "red")}
_SCORES = ("strict", "lenient", "format")


def print_status(run_dir: Path) -> None:
    """Print the tree. Raises UserError for a folder that holds no run."""
    run = RunDirectory(run_dir)
    if not run.recipe.is_file():
        raise UserError(f"{run_dir} holds no run: it has no recipe.yaml")
    Console(highlight=False).print(tree(load_recipe(str(run.recipe)), run.manifest()))


def tree(recipe: Recipe, manifest: dict[str, Any]) -> Tree:
    """The recipe's stages, each under its parent; one without a parent hangs on the run."""
    root = Tree(Text(recipe.name, style="bold"))
    base = recipe.model.path if recipe.model else None
    nodes = {"base": root.add(Text.assemble("base  ", (base, "dim"))) if base else root}
    for stage in recipe.stages:
        entry = manifest["stages"].get(stage.name)
        line = Text.assemble((stage.name, "bold"), f"  {stage.kind}  ")
        nodes[stage.name] = nodes[stage.parent].add(line + _progress(entry))
    return root


def _progress(stage: dict[str, Any] | None) -> Text:
    if stage is None:
        return Text("waiting", style="dim")
    line = Text.assemble(_MARKS[stage["status"]])
    if stage["planned"]:
        line.append(f"  {stage['steps']}/{stage['planned']} steps")
    line.append(f"  {_duration(stage['seconds'])}")
    scores = stage.get("scores", {})
    for score in (score for score in _SCORES if score in scores):
        line.append(f"  {score} {scores[score]:.1%}")
    return line


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
