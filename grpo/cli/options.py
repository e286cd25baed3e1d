"""Arguments that several verbs take."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Checkpoint = Annotated[
    str,
    typer.Argument(
        metavar="CHECKPOINT",
        help="A folder with weights, RUN:STAGE, a shipped model, or a hub name.",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE",
        help="Knobs of model, sampler and runtime: [bold]sampler.kv_cache_gib=2[/].",
    ),
]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder: runs/NAME.")]
Result = Annotated[
    Path, typer.Argument(metavar="RESULT", help="A folder `grpo eval` wrote, or evaluations/STAGE.")
]
Engine = Literal["vllm", "plain"]


def names(text: str) -> list[str]:
    """The parts of `a, b`."""
    return [name.strip() for name in text.split(",") if name.strip()]


def local(checkpoint: str) -> str:
    """The checkpoint's folder or hub name. Raises UserError for one that is not there."""
    from grpo.inputs import check_model
    from grpo.run.named import named_checkpoint

    found = named_checkpoint(checkpoint)
    check_model(found)
    return found
