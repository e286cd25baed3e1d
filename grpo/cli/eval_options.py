"""The options of `grpo eval`: what is asked, how, by whom, and where the result goes."""

from pathlib import Path
from typing import Annotated, Any

import typer

from grpo.cli.options import Engine as EngineName

# --- who is asked ---

Asked = Annotated[
    str | None,
    typer.Argument(
        metavar="CHECKPOINT",
        help="A folder with weights, RUN:STAGE, a shipped model, or a hub name.",
        show_default=False,
    ),
]
Engine = Annotated[EngineName | None, typer.Option(help="vllm, or plain: slow and right.")]

# --- what is asked ---

Benchmarks = Annotated[
    str, typer.Option(metavar="A,B", help="From `grpo benchmarks`; else its run's own problems.")
]
Samples = Annotated[
    int | None, typer.Option("-k", "--samples", min=1, metavar="K", help="Samples a question.")
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", "--problems", min=1, metavar="N", help="N questions, drawn by a hash."),
]
File = Annotated[str | None, typer.Option(metavar="FILE", help="Any file, hub name or tiny:KIND.")]
Column = Annotated[str, typer.Option(metavar="COLUMN", help="Of that file.")]
AnswerAfter = Annotated[
    str | None, typer.Option(metavar="MARK", help="The answer is what follows it: '####'.")
]
Split = Annotated[str, typer.Option(help="Of a data set on the hub.")]
Subset = Annotated[str | None, typer.Option(metavar="NAME", help="The same: its configuration.")]
DataRoot = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Where benchmarks lie; or $GRPO_DATA.")
]

# --- how it is asked and judged ---

Reward = Annotated[
    str | None, typer.Option(metavar="NAME", help="Judge by this; else the benchmark's own.")
]
Temperature = Annotated[float | None, typer.Option(min=0, help="0.6 as R1; 0 is greedy.")]
TopP = Annotated[float | None, typer.Option(min=0.001, max=1, help="0.95 as R1.")]
MaxTokens = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Of an answer; else the model's window.")
]
Stop = Annotated[
    list[str] | None, typer.Option(metavar="TEXT", help="An answer ends after it, too; repeat it.")
]
System = Annotated[str | None, typer.Option(metavar="TEXT", help="System text.")]
Prompt = Annotated[
    str | None, typer.Option(metavar="TEXT", help="The user's turn, with {question} in it.")
]
Prefill = Annotated[
    str | None, typer.Option(metavar="TEXT", help="How the answer begins: '<think>'.")
]
Chat = Annotated[
    bool | None, typer.Option("--chat/--no-chat", help="In the chat template, or bare.")
]
Seed = Annotated[int, typer.Option(min=0, help="Every draw is derived from it.")]
Out = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="The result's; else under runs/eval.")
]

# --- an endpoint ---


def _of_an_endpoint(**about: Any) -> Any:
    return typer.Option(rich_help_panel="An endpoint instead of a checkpoint", **about)


Url = Annotated[str | None, _of_an_endpoint(metavar="URL", help="http://HOST:PORT/v1")]
Model = Annotated[
    str | None, _of_an_endpoint(metavar="NAME", help="Of those it serves; else the only one.")
]
KeyVariable = Annotated[
    str | None, _of_an_endpoint(metavar="VAR", help="The variable that holds its key.")
]
Concurrency = Annotated[int, _of_an_endpoint(min=1, help="Requests at a time.")]
Retries = Annotated[int, _of_an_endpoint(min=0, help="More tries of a request.")]
Timeout = Annotated[float, _of_an_endpoint(min=1, help="Seconds for an answer.")]
