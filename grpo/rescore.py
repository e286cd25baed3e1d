"""`grpo rescore`: a result's samples judged again, nothing drawn, and what flipped."""

from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.text import Text

from grpo.eval.rejudge import Rejudged, rejudge, write_rejudged
from grpo.eval.result import read_result
from grpo.report.evaluations import flips_table, rejudged_table
from grpo.report.result_page import write_result_page
from grpo_rewards.workers import Scorer


def rescore(
    folder: Path,
    *,
    reward: str | None = None,
    out: Path | None = None,
    workers: int = 1,
    deadline_s: float = 3.0,
    shown: int = 10,
) -> None:
    """Print what changes where the result in `folder` is judged by the rewards as they are now, or
    by `reward`; with `out`, write the new verdicts there as a result.

    Raises UserError for what is no finished result, and what rewards raise.
    """
    result, console = read_result(folder), Console(highlight=False)
    with ExitStack() as closing:

        def scorer_of(rewards: object) -> Scorer:
            return closing.enter_context(
                Scorer(rewards, workers=workers, deadline_s=deadline_s)  # type: ignore[arg-type]
            )

        found = rejudge(result, reward, scorer_of)
    if out is not None:
        write_rejudged(out, result, found, {"reward_deadline": deadline_s})
        write_result_page(out)
    console.print(rejudged_table(found))
    for one in found:
        _show_flips(one, shown, console)
    if out is not None:
        console.print(Text(f"Result: {out}"), soft_wrap=True)


def _show_flips(one: Rejudged, shown: int, console: Console) -> None:
    if not one.flips or not shown:
        return
    rows = [
        (
            f"{new.question_id}/{new.sample}",
            new.gold,
            f"{old.outcome} -> {new.outcome}",
            f"{old.extracted} -> {new.extracted}",
        )
        for old, new in one.flips[:shown]
    ]
    more = f", the first {shown} of {len(one.flips):,}" if len(one.flips) > shown else ""
    console.print(Text(f"\n{one.benchmark}: samples that flipped{more}"))
    console.print(flips_table(rows, ("sample", "answer", "verdict", "read"), console))
