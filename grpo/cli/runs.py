"""The verbs about recipes and runs: run, check, status, report, recipes."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from grpo.boundary import USER_ERROR, user_errors
from grpo.cli.options import Run
from grpo.errors import UserError
from grpo.inputs import input_faults, missing_inputs, wrong_inputs
from grpo.recipe.lint import lint
from grpo.recipe.load import load_recipe
from grpo.recipe.schema import Recipe
from grpo.recipe.shipped import shipped_recipes
from grpo.recipe.summary import summary


def run(
    recipe: Annotated[
        str,
        typer.Argument(metavar="RECIPE", help="A recipe file, or a shipped name: tiny/r1_zero."),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="Knobs to change, a stage's by its name: [bold]stages.zero.steps=10[/].",
        ),
    ] = None,
    run_dir: Annotated[
        Path | None,
        typer.Option("--dir", metavar="RUNDIR", help="Where it goes; runs/NAME by default."),
    ] = None,
    max_steps: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="End each training stage after N steps for now."),
    ] = None,
    begin: Annotated[
        str | None,
        typer.Option("--from", metavar="STAGE", help="Do this stage and what hangs on it anew."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(metavar="STAGE", help="Work on this stage alone; its parents must be done."),
    ] = None,
) -> None:
    """Run a recipe; the same command again goes on where it stopped."""
    with user_errors(can_resume=True):
        resolved = load_recipe(recipe, overrides or (), input_faults)
        _warn(resolved)
        from grpo.pipeline import run as run_pipeline
        from grpo.run.plan import Asked

        asked = Asked(only, begin, max_steps)
        run_pipeline(resolved, run_dir or Path("runs") / resolved.name, asked)


def check(
    recipes: Annotated[
        list[str],
        typer.Argument(
            metavar="RECIPE",
            help="Files or shipped names; KEY=VALUE among them changes a knob in all.",
        ),
    ],
) -> None:
    """Say whether recipes are right, and what is not on this machine yet; no torch."""
    names = [word for word in recipes if "=" not in word or Path(word).is_file()]
    overrides = [word for word in recipes if word not in names]
    with user_errors():
        if not names:
            raise UserError("no recipe to check; KEY=VALUE overrides come after one")
        are_right = [_is_right(name, overrides) for name in names]
    if not all(are_right):
        raise typer.Exit(USER_ERROR)


def status(run_dir: Run) -> None:
    """Show a run's stages as a tree, with their scores."""
    with user_errors():
        from grpo.status import print_status

        print_status(run_dir)


def report(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A run's, runs/NAME, or a result's.")
    ],
) -> None:
    """Write the report.html of a run, or of a result of `grpo eval`, anew."""
    with user_errors():
        from grpo.report import write_page_of

        typer.echo(write_page_of(folder))


def recipes() -> None:
    """List the recipes that ship."""
    table = Table.grid(padding=(0, 2))
    for shipped in shipped_recipes():
        table.add_row(shipped.name, shipped.summary)
    Console(highlight=False, markup=False).print(table)


def _is_right(name: str, overrides: list[str]) -> bool:
    try:
        recipe = load_recipe(name, overrides, wrong_inputs)
    except UserError as error:
        typer.echo(f"error: {error}", err=True)
        return False
    typer.echo("\n  ".join([f"{name}: ok", *summary(recipe)]))
    _warn(recipe)
    for key, sentence in missing_inputs(recipe):
        typer.echo(f"missing: key {key!r}: {sentence}", err=True)
    return True


def _warn(recipe: Recipe) -> None:
    for finding in lint(recipe):
        typer.echo(f"warning: {finding}", err=True)
