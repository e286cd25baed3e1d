"""The verb serve; `grpo.cli` takes it in."""

from typing import Annotated, Literal

import typer

from grpo.boundary import user_errors
from grpo.cli_eval import Checkpoint, Overrides
from grpo.inputs import check_model


def serve(
    checkpoint: Checkpoint,
    overrides: Overrides = None,
    host: Annotated[
        str, typer.Option(help="Who may ask: 0.0.0.0 is everybody who reaches this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    name: Annotated[
        str | None, typer.Option(help="What clients call the model; else RUN:STAGE or the folder.")
    ] = None,
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"] | None,
        typer.Option(help="To compute in; else the checkpoint's or its run's."),
    ] = None,
) -> None:
    """Serve a checkpoint as an OpenAI endpoint, with vLLM, until Ctrl-C."""
    with user_errors():
        from grpo.stages.named import named_checkpoint

        checkpoint = named_checkpoint(checkpoint)
        check_model(checkpoint)
        from grpo.serve.serve import serve_checkpoint

        code = serve_checkpoint(
            checkpoint, host=host, port=port, name=name, dtype=dtype, overrides=overrides or ()
        )
    raise typer.Exit(code)
