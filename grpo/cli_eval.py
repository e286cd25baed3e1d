"""The verbs about evaluation: eval, rescore, compare, scale, benchmarks; `grpo.cli` takes them in.

Each verb imports its work inside, so that `--help` never loads torch.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from grpo.boundary import user_errors
from grpo.errors import UserError
from grpo.inputs import check_model

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
Result = Annotated[
    Path, typer.Argument(metavar="RESULT", help="A folder `grpo eval` wrote, or evaluations/STAGE.")
]
Engine = Literal["vllm", "plain"]
_ENDPOINT = "An endpoint instead of a checkpoint"


def evaluate(
    checkpoint: Annotated[
        str | None,
        typer.Argument(
            metavar="CHECKPOINT",
            help="A folder with weights, RUN:STAGE, a shipped model, or a hub name.",
            show_default=False,
        ),
    ] = None,
    overrides: Overrides = None,
    benchmarks: Annotated[
        str,
        typer.Option(metavar="A,B", help="From `grpo benchmarks`; else its run's own problems."),
    ] = "",
    samples: Annotated[
        int | None, typer.Option("-k", "--samples", min=1, metavar="K", help="Samples a question.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", "--problems", min=1, metavar="N", help="The first N questions."),
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="FILE", help="Any file, hub name or tiny:KIND.")
    ] = None,
    question: Annotated[str, typer.Option(metavar="COLUMN", help="Of that file.")] = "question",
    answer: Annotated[str, typer.Option(metavar="COLUMN", help="Of that file.")] = "answer",
    answer_after: Annotated[
        str | None, typer.Option(metavar="MARK", help="The answer is what follows it: '####'.")
    ] = None,
    split: Annotated[str, typer.Option(help="Of a data set on the hub.")] = "test",
    reward: Annotated[
        str | None, typer.Option(metavar="NAME", help="Judge by this; else the benchmark's own.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0, help="0.6 as R1; 0 is greedy.")
    ] = None,
    top_p: Annotated[float | None, typer.Option(min=0.001, max=1, help="0.95 as R1.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Of an answer; else the model's window.")
    ] = None,
    system: Annotated[str | None, typer.Option(metavar="TEXT", help="System text.")] = None,
    prompt: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The user's turn, with {question} in it.")
    ] = None,
    prefill: Annotated[
        str | None, typer.Option(metavar="TEXT", help="How the answer begins: '<think>'.")
    ] = None,
    chat: Annotated[
        bool | None, typer.Option("--chat/--no-chat", help="In the chat template, or bare.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Every draw is derived from it.")] = 0,
    engine: Annotated[Engine | None, typer.Option(help="vllm, or plain: slow and right.")] = None,
    data_root: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where benchmarks lie; or $GRPO_DATA.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The result's; else under runs/eval.")
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(metavar="URL", help="http://HOST:PORT/v1", rich_help_panel=_ENDPOINT),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Of those it serves; else the only one.", rich_help_panel=_ENDPOINT
        ),
    ] = None,
    api_key_env: Annotated[
        str | None,
        typer.Option(
            metavar="VAR", help="The variable that holds its key.", rich_help_panel=_ENDPOINT
        ),
    ] = None,
    concurrency: Annotated[
        int, typer.Option(min=1, help="Requests at a time.", rich_help_panel=_ENDPOINT)
    ] = 32,
    retries: Annotated[
        int, typer.Option(min=0, help="More tries of a request.", rich_help_panel=_ENDPOINT)
    ] = 8,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds for an answer.", rich_help_panel=_ENDPOINT)
    ] = 1800,
) -> None:
    """Score a checkpoint on benchmarks, with 95% intervals; the same command goes on."""
    with user_errors(can_resume=True):
        served = endpoint is not None or checkpoint is None
        if served and (fault := _not_of_an_endpoint(endpoint, checkpoint, engine)):
            raise UserError(fault)
        if not served:
            checkpoint = _local(str(checkpoint))
        from grpo.eval.protocol import Knobs
        from grpo.evaluate import OwnData, evaluate_checkpoint

        asked: dict[str, Any] = {
            "benchmarks": _names(benchmarks),
            "data": OwnData(data, question, answer, answer_after, split) if data else None,
            "knobs": Knobs(
                temperature=temperature,
                top_p=top_p,
                max_tokens=max_tokens,
                system=system,
                prompt=prompt,
                prefill=prefill,
                chat=chat,
                reward=reward,
                k=samples,
                limit=limit,
                seed=seed,
            ),
            "root": data_root,
            "out": out,
        }
        if not served:
            evaluate_checkpoint(str(checkpoint), engine=engine, overrides=overrides or (), **asked)
            return
        from grpo.eval.endpoint import Endpoint, base_url
        from grpo.evaluate_endpoint import evaluate_endpoint

        there = Endpoint(
            base_url(str(endpoint)), model, _key(api_key_env), concurrency, retries, timeout
        )
        words = [word for word in (checkpoint, *(overrides or ())) if word]
        evaluate_endpoint(there, overrides=words, **asked)


def _not_of_an_endpoint(
    endpoint: str | None, checkpoint: str | None, engine: str | None
) -> str | None:
    """What in the command does not go with an endpoint, or that there is none."""
    if endpoint is None:
        return "say what to score: a checkpoint, or --endpoint URL"
    if checkpoint is not None and "=" not in checkpoint:
        return f"name one to score: the checkpoint {checkpoint!r} or the endpoint {endpoint!r}"
    if engine is not None:
        return "--engine is of a local checkpoint: the endpoint has its own"
    return None


def _local(checkpoint: str) -> str:
    from grpo.stages.named import named_checkpoint

    found = named_checkpoint(checkpoint)
    check_model(found)
    return found


def _key(variable: str | None) -> str:
    """The endpoint's key; any will do where none is asked for, but clients must send one."""
    if variable is None:
        return "none"
    if not (key := os.environ.get(variable, "").strip()):
        raise UserError(f"--api-key-env {variable}: there is no such variable, or it is empty")
    return key


def rescore(
    result: Result,
    reward: Annotated[
        str | None, typer.Option(metavar="NAME", help="Another reward; else the same as it is now.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the new verdicts as a result.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that judge.")] = 1,
    deadline: Annotated[float, typer.Option(min=0.1, help="CPU seconds a sample may cost.")] = 3.0,
    show: Annotated[int, typer.Option(min=0, metavar="N", help="Flipped samples shown.")] = 10,
) -> None:
    """Judge a result's samples again, drawing none, and show what flipped."""
    with user_errors():
        from grpo.rescore import rescore as judge_again

        judge_again(
            result, reward=reward, out=out, workers=workers, deadline_s=deadline, shown=show
        )


def compare(
    before: Result,
    after: Result,
    show: Annotated[int, typer.Option(min=0, metavar="N", help="Changed questions shown.")] = 10,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it as an HTML page, too.")
    ] = None,
) -> None:
    """Compare two results question by question: difference, interval, p, flips."""
    with user_errors():
        from grpo.compare import compare_results

        compare_results(before, after, shown=show, out=out)


def scale(
    result: Result,
    by: Annotated[
        list[str] | None,
        typer.Option(metavar="SCORE", help="logprob, checker, a model's folder, a reward; repeat."),
    ] = None,
    steps: Annotated[
        str, typer.Option(metavar="HOW", help="Of process rewards: last, min, mean, product.")
    ] = "last",
    verdict: Annotated[
        str | None, typer.Option(metavar="NAME", help="lenient, ...; else the result's own.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="For the curves; else the result's.")
    ] = None,
) -> None:
    """Show what more samples are worth: coverage, majority, best-of-n; none are drawn."""
    with user_errors():
        from grpo.scale import scale_result

        scale_result(result, by=by or (), steps=steps, verdict=verdict, out=out)


def benchmarks(
    data_root: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where benchmarks lie; or $GRPO_DATA.")
    ] = None,
) -> None:
    """List the benchmarks: rows, how they are judged, where they are found."""
    with user_errors():
        from grpo.benchmarks import print_benchmarks

        print_benchmarks(data_root)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
