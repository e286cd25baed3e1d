"""The command itself: the table of its verbs, and `--version`."""

import os
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from grpo.cli import data, evaluate, models, results, runs

app = typer.Typer(
    name="grpo",
    help="Group relative policy optimisation: from a base model to one that reasons.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

VERBS: dict[str, Callable[..., None]] = {
    "eval": evaluate.evaluate,
    "rescore": results.rescore,
    "compare": results.compare,
    "scale": results.scale,
    "benchmarks": results.benchmarks,
    "serve": models.serve,
    "run": runs.run,
    "check": runs.check,
    "sample": models.sample,
    "status": runs.status,
    "report": runs.report,
    "export": models.export,
    "audit": data.audit,
    "decontaminate": data.decontaminate,
    "recipes": runs.recipes,
}

for name, verb in VERBS.items():
    app.command(name)(verb)


def main() -> None:
    """The entry point of the command."""
    # torch's C++ side speaks of NUMA nodes at every start of an engine; it reads this once.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    app()


def version_text() -> str:
    """The installed version, or that nothing is installed."""
    try:
        return version("grpo-reasoning")
    except PackageNotFoundError:
        return "not installed (a checkout)"


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
