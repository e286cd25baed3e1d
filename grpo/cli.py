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

from grpo import cli_eval, cli_serve
from grpo.boundary import USER_ERROR, user_errors
from grpo.errors import UserError
from grpo.inputs import check_model, input_faults
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
        metavar="CHECKPOINT",
        help="A folder with weights, RUN:STAGE, a shipped model, or a hub name.",
    ),
]
Engine = Literal["vllm", "plain"]

NOT_SOUND = 1
"""Exit code of an audit that found something."""


def main() -> None:
    """The entry point of the command."""
    # torch's C++ side speaks of NUMA nodes at every start of an engine; it reads this once.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    app()


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(version_text())
        raise typer.Exit


app.command("eval")(cli_eval.evaluate)
app.command()(cli_eval.rescore)
app.command()(cli_eval.compare)
app.command()(cli_eval.scale)
app.command()(cli_eval.benchmarks)
app.command()(cli_serve.serve)


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
        from grpo.stages.plan import Asked

        asked = Asked(only, begin, max_steps)
        run_pipeline(resolved, run_dir or Path("runs") / resolved.name, asked)


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
        from grpo.stages.named import named_checkpoint

        checkpoint = named_checkpoint(checkpoint)
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
def status(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder: runs/NAME.")],
) -> None:
    """Show a run's stages as a tree, with their scores."""
    with user_errors():
        from grpo.status import print_status

        print_status(run_dir)


@app.command()
def report(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder: runs/NAME.")],
) -> None:
    """Write a run's report.html: curves, tables and every completion."""
    with user_errors():
        from grpo.report import write_report

        typer.echo(write_report(run_dir))


@app.command()
def export(
    checkpoint: Checkpoint,
    to: Annotated[
        Literal["gguf", "folder"],
        typer.Option(help="For llama.cpp and Ollama, or for transformers, with a model card."),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Where; else under runs/export.")
    ] = None,
    dtype: Annotated[
        Literal["f32", "f16", "q8_0"] | None, typer.Option(help="Of a GGUF's matrices; else f16.")
    ] = None,
    result: Annotated[
        list[Path] | None,
        typer.Option(metavar="RESULT", help="A folder of `grpo eval`, for the card; repeat it."),
    ] = None,
) -> None:
    """Write a checkpoint as GGUF with an Ollama Modelfile, or as a folder with a model card."""
    with user_errors():
        from grpo.export import export_checkpoint

        export_checkpoint(checkpoint, to, out=out, dtype=dtype, results=result or ())


@app.command()
def audit(
    reward: Annotated[
        str,
        typer.Argument(
            metavar="REWARD", help="A reward that ships, file.py:function, or a dotted path."
        ),
    ],
    knobs: Annotated[
        list[str] | None,
        typer.Argument(metavar="KNOB=VALUE", help="The reward's own: variant=think."),
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="Problems; else some that ship.")
    ] = None,
    question: Annotated[str, typer.Option(metavar="COLUMN", help="Of the data.")] = "question",
    answer: Annotated[str, typer.Option(metavar="COLUMN", help="Of the data.")] = "answer",
    answer_after: Annotated[
        str | None, typer.Option(metavar="MARK", help="The answer follows it: '####' in GSM8K.")
    ] = None,
    problems: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many.")] = 24,
    judges: Annotated[
        str | None,
        typer.Option(metavar="WHAT", help="answer, layout, language, code, ...; yours: answer."),
    ] = None,
    deadline: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="Of CPU time a completion.")
    ] = 3.0,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="The table goes there too.")
    ] = None,
) -> None:
    """Try a reward on right answers, wrong ones and cheats; exits with 1 unless it is sound."""
    with user_errors():
        from grpo.audit import audit_reward

        is_sound = audit_reward(
            reward,
            knobs=knobs or (),
            judges=judges,
            data=data,
            question=question,
            answer=answer,
            answer_after=answer_after,
            problems=problems,
            deadline_s=deadline,
            json_path=json_file,
        )
    if not is_sound:
        raise typer.Exit(NOT_SOUND)


@app.command()
def decontaminate(
    train: Annotated[
        str, typer.Option(metavar="SOURCE", help="The training set: a file, a hub name, tiny:KIND.")
    ],
    benchmarks: Annotated[
        str, typer.Option(metavar="A,B", help="Benchmarks: names (aime24), files, hub names.")
    ],
    train_question: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Else question, problem, prompt, ...")
    ] = None,
    benchmark_question: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The same, in the benchmarks.")
    ] = None,
    split: Annotated[str, typer.Option(help="Of a training set on the hub.")] = "train",
    benchmark_split: Annotated[str, typer.Option(help="Of benchmarks on the hub.")] = "test",
    rules: Annotated[
        str, typer.Option(metavar="A,B", help="The same text; but for signs; n words in a row.")
    ] = "exact,letters,ngram",
    n: Annotated[
        int, typer.Option("--n", min=1, help="Words in a row; a Chinese character is 2/3 of one.")
    ] = 10,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="For overlap.json and overlap.md.")
    ] = None,
    write_clean: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A .jsonl of the rows that do not overlap.")
    ] = None,
) -> None:
    """Find the rows of a training set that stand in benchmarks; no torch."""
    with user_errors():
        from grpo.decontaminate import decontaminate as compare

        compare(
            train,
            [name.strip() for name in benchmarks.split(",") if name.strip()],
            question=train_question,
            split=split,
            benchmark_question=benchmark_question,
            benchmark_split=benchmark_split,
            rules=[rule.strip() for rule in rules.split(",")],
            n=n,
            out=out,
            clean=write_clean,
        )


@app.command()
def recipes() -> None:
    """List the recipes that ship."""
    table = Table.grid(padding=(0, 2))
    for shipped in shipped_recipes():
        table.add_row(shipped.name, shipped.summary)
    Console(highlight=False, markup=False).print(table)


def _is_right(name: str, overrides: list[str]) -> bool:
    try:
        recipe = load_recipe(name, overrides, input_faults)
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
