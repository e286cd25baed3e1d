"""The verbs about results that are there: rescore, compare, scale; and the list of benchmarks."""

from pathlib import Path
from typing import Annotated

import typer

from grpo.boundary import user_errors
from grpo.cli.options import Result


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
    verdict: Annotated[
        str | None, typer.Option(metavar="NAME", help="lenient, ..., a reward; else the score.")
    ] = None,
    show: Annotated[int, typer.Option(min=0, metavar="N", help="Changed questions shown.")] = 10,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it as an HTML page, too.")
    ] = None,
) -> None:
    """Compare two results question by question: difference, interval, p, flips."""
    with user_errors():
        from grpo.compare import compare_results

        compare_results(before, after, verdict=verdict, shown=show, out=out)


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
