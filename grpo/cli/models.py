"""The verbs about one model: sample, serve, export."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from grpo.boundary import user_errors
from grpo.cli.options import Checkpoint, Engine, Overrides, local


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
        found = local(checkpoint)
        from grpo.sample import sample_text

        completions = sample_text(
            found,
            text,
            number=number,
            temperature=temperature,
            max_tokens=max_tokens,
            seed=seed,
            engine=engine,
        )
    typer.echo("\n\n".join(completions))


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
        found = local(checkpoint)
        from grpo.serve.serve import serve_checkpoint

        code = serve_checkpoint(
            found, host=host, port=port, name=name, dtype=dtype, overrides=overrides or ()
        )
    raise typer.Exit(code)


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
