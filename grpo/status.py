"""`grpo status`: a run's stages as a tree, each under its parent, with what it came to."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from grpo.errors import UserError
from grpo.eval.result import GENERAL
from grpo.recipe.load import load_recipe
from grpo.recipe.schema import Recipe
from grpo.report.text import short_name
from grpo.run.run_directory import RunDirectory

_MARKS = {"done": ("done", "green"), "running": ("cut off", "yellow"), "stale": ("stale", "red")}
_VERDICTS = ("strict", "lenient", "format", "accuracy")
_APART = f"{GENERAL}/"
_SHOWN = 80
_INDENT = 4
"""Columns of the terminal, and those that each level of the tree takes."""


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
    depths = {"base": 1 if base else 0}
    for stage in recipe.stages:
        entry = manifest["stages"].get(stage.name)
        line = Text.assemble((stage.name, "bold"), f"  {stage.kind}  ")
        if stage.parent not in nodes:
            nodes[stage.parent] = root.add(Text(stage.parent, style="dim"))
        depths[stage.name] = depth = depths.get(stage.parent, 1) + 1
        told = line + _progress(entry)
        for scores in _scores(entry or {}):
            told = _under(told, scores, _SHOWN - _INDENT * depth)
        nodes[stage.name] = nodes[stage.parent].add(told)
    return root


def _progress(stage: dict[str, Any] | None) -> Text:
    if stage is None:
        return Text("waiting", style="dim")
    line = Text.assemble(_MARKS[stage["status"]])
    if stage["planned"]:
        line.append(f"  {stage['steps']}/{stage['planned']} steps")
    line.append(f"  {_duration(stage['seconds'])}")
    if "wrote" in stage:
        line.append(f"  {stage['wrote']['rows']:,} rows")
    return line


def _scores(stage: dict[str, Any]) -> Iterator[list[str]]:
    """What a stage was scored, a line each: reasoning, then problems without a right answer."""
    scores = stage.get("scores", {})
    verdicts = [f"{name} {scores[name]:.1%}" for name in _VERDICTS if name in scores]
    apart = {name.removeprefix(_APART): one for name, one in scores.items() if _APART in name}
    own = {name: one for name, one in scores.items() if _APART not in name}
    rewards = [] if stage.get("kind") == "reward_model" else _rewards(own)
    yield from (line for line in ([*verdicts, *rewards], _rewards(apart, "general: ")) if line)


def _rewards(scores: Mapping[str, float], head: str = "") -> list[str]:
    """The means of rewards that look on, each with its wins where they were counted."""
    told = []
    for name, mean in scores.items():
        if name in (*_VERDICTS, "accuracy_given_format") or name.endswith(
            ("/win", "/without_words")
        ):
            continue
        is_share = 0 <= mean <= 1 and name.partition("@")[0] != "reward_model"
        text = f"{short_name(name)} {mean:.1%}" if is_share else f"{short_name(name)} {mean:.2f}"
        wins = scores.get(f"{name}/win")
        told.append(text if wins is None else f"{text} (wins {wins:.0%})")
    return [f"{head}{told[0]}", *told[1:]] if told else []


def _under(line: Text, scores: list[str], width: int) -> Text:
    """The line with the scores, behind it where all of them fit, else below, wrapped."""
    if line.cell_len + len("  ".join(["", *scores])) <= width:
        return line + Text("  ".join(["", *scores]))
    rows = [scores[0]]
    for score in scores[1:]:
        if len(rows[-1]) + 2 + len(score) <= width:
            rows[-1] += f"  {score}"
        else:
            rows.append(score)
    return line + Text("\n".join(["", *rows]))


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
