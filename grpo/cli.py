"""The command `grpo`: verbs only.

Each verb imports its work inside, so that `grpo check` and `--help` never load torch.
"""

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from grpo.boundary import USER_ERROR, user_errors
from grpo.errors import UserError
from grpo.inputs import check_inputs, check_model
from grpo.recipe.lint import lint
from grpo.recipe.load import load_recipe
from grpo.recipe.schema import Recipe
from grpo.recipe.shipped import shipped_recipes
from grpo.recipe.summary import summary

app = typer.Typer(
    name="grpo",
    help="Group relative policy optimisation: from a base model to one that reasons.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

RecipeName = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A recipe file, or a shipped name: tiny/r1_zero.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE",
        help="Knobs to change, a stage's by its name: [bold]stages.zero.steps=10[/].",
    ),
]
Checkpoint = Annotated[
    str,
    typer.Argument(
        metavar="CHECKPOINT", help="A folder with weights, a shipped model, or a hub name."
    ),
]
Engine = Literal["vllm", "plain"]


def main() -> None:
    """The entry point of the command."""
    # torch's C++ side speaks of NUMA nodes at every start of an engine; it reads this once.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    app()


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(version_text())
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass


@app.command()
def run(
    recipe: RecipeName,
    overrides: Overrides = None,
    run_dir: Annotated[
        Path | None,
        typer.Option("--dir", metavar="RUNDIR", help="Where it goes; runs/NAME by default."),
    ] = None,
    max_steps: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="End each training stage after N steps for now."),
    ] = None,
) -> None:
    """Run a recipe; the same command again goes on where it stopped."""
    with user_errors(can_resume=True):
        resolved = load_recipe(recipe, overrides or ())
        check_inputs(resolved)
        _warn(resolved)
        from grpo.pipeline import run as run_pipeline

        run_pipeline(resolved, run_dir or Path("runs") / resolved.name, max_steps)


@app.command()
def check(
    recipes: Annotated[
        list[str],
        typer.Argument(
            metavar="RECIPE",
            help="Files or shipped names; KEY=VALUE among them changes a knob in all.",
        ),
    ],
) -> None:
    """Say whether recipes are right and their inputs are there; no torch."""
    names = [word for word in recipes if "=" not in word or Path(word).is_file()]
    overrides = [word for word in recipes if word not in names]
    with user_errors():
        if not names:
            raise UserError("no recipe to check; KEY=VALUE overrides come after one")
        are_right = [_is_right(name, overrides) for name in names]
    if not all(are_right):
        raise typer.Exit(USER_ERROR)


@app.command("eval")
def evaluate(
    checkpoint: Checkpoint,
    data: Annotated[
        str | None, typer.Option(metavar="PATH", help="Problems; else its run's held-out ones.")
    ] = None,
    problems: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="How many problems to score.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(min=1, metavar="K", help="Samples a problem.")
    ] = None,
    temperature: Annotated[float | None, typer.Option(help="Softmax temperature.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Nucleus mass.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="A completion's longest length.")
    ] = None,
    engine: Annotated[Engine | None, typer.Option(help="vllm, or plain: slow and right.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Every draw is derived from it.")] = 0,
) -> None:
    """Score a checkpoint on held-out problems, with 95% intervals."""
    with user_errors():
        check_model(checkpoint)
        from grpo.evaluate import evaluate_checkpoint

        evaluate_checkpoint(
            checkpoint,
            data=data,
            problems=problems,
            samples=samples,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            engine=engine,
            seed=seed,
        )


@app.command()
def sample(
    checkpoint: Checkpoint,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The question.")],
    number: Annotated[int, typer.Option("-n", min=1, metavar="N", help="Completions.")] = 1,
    temperature: Annotated[float, typer.Option(help="Softmax temperature.")] = 0.6,
    max_tokens: Annotated[
        int, typer.Option(min=1, metavar="N", help="A completion's longest length.")
    ] = 512,
    seed: Annotated[int, typer.Option(min=0, help="The same seed, the same completions.")] = 0,
    engine: Annotated[
        Engine, typer.Option(help="plain starts at once; vllm is faster for many.")
    ] = "plain",
) -> None:
    """Ask a checkpoint a question, in the prompt of the run that made it."""
    with user_errors():
        check_model(checkpoint)
        from grpo.sample import sample_text

        completions = sample_text(
            checkpoint,
            text,
            number=number,
            temperature=temperature,
            max_tokens=max_tokens,
            seed=seed,
            engine=engine,
        )
    typer.echo("\n\n".join(completions))


@app.command()
def report(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder: runs/NAME.")],
) -> None:
    """Write a run's report.html: curves, tables and every completion."""
    with user_errors():
        from grpo.report import write_report

        typer.echo(write_report(run_dir))


@app.command()
def recipes() -> None:
    """List the recipes that ship."""
    table = Table.grid(padding=(0, 2))
    for shipped in shipped_recipes():
        table.add_row(shipped.name, shipped.summary)
    Console(highlight=False, markup=False).print(table)


def _is_right(name: str, overrides: list[str]) -> bool:
    try:
        recipe = load_recipe(name, overrides)
        check_inputs(recipe)
    except UserError as error:
        typer.echo(f"error: {error}", err=True)
        return False
    typer.echo("\n  ".join([f"{name}: ok", *summary(recipe)]))
    _warn(recipe)
    return True


def _warn(recipe: Recipe) -> None:
    for finding in lint(recipe):
        typer.echo(f"warning: {finding}", err=True)


def version_text() -> str:
    """The installed version, or that nothing is installed."""
    try:
        return version("grpo-reasoning")
    except PackageNotFoundError:
        return "not installed (a checkout)"
