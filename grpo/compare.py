"""`grpo compare`: two results side by side, and the questions that changed."""

from pathlib import Path

from rich.console import Console
from rich.text import Text

from grpo.eval.paired import Comparison
from grpo.eval.pairing import caveats, compared
from grpo.eval.result import Result, read_result
from grpo.report.evaluations import comparison_table, flips_table, share
from grpo.report.result_compare import write_compare_page


def compare_results(
    first: Path,
    second: Path,
    *,
    verdict: str | None = None,
    shown: int = 10,
    out: Path | None = None,
) -> None:
    """Print the difference of two results by benchmark, paired by question, and `shown` of the
    questions that changed most; with `out`, write the page of the comparison there.

    `verdict` is another than the score ("lenient"), or a reward. Raises UserError for what is no
    finished result, not the same questions, or a verdict that they have not.
    """
    before, after = read_result(first), read_result(second)
    found, console = compared(before, after, verdict), Console(highlight=False)
    for when, result in (("before", before), ("after", after)):
        console.print(Text(f"{when}: {result.folder}"), soft_wrap=True)
    console.print(comparison_table(found))
    for name, comparison in found.items():
        _show_flips(name, comparison, after, shown, console)
    for text in caveats(before, after, found, verdict):
        console.print(Text(text, style="yellow"), soft_wrap=True)
    console.print(Text("In brackets: 95% intervals, questions paired. p: two-sided, sign flips."))
    if out is not None:
        page = write_compare_page(out, before, after, found, shown, verdict)
        console.print(Text(f"Page: {page}"), soft_wrap=True)


def _show_flips(
    name: str, comparison: Comparison, after: Result, shown: int, console: Console
) -> None:
    for only, when in ((comparison.only_before, "before"), (comparison.only_after, "after")):
        if only:
            console.print(Text(f"{name}: {len(only):,} questions were asked only {when}"))
    if not comparison.flips or not shown:
        return
    asked = {row.question_id: row.question for row in after.rows_of(name)}
    rows = [
        (
            flip.question,
            share(flip.before),
            share(flip.after),
            " ".join(asked[flip.question].split()),
        )
        for flip in comparison.flips[:shown]
    ]
    count = f"{len(comparison.flips):,} of {comparison.difference.n_questions:,}"
    console.print(Text(f"\n{name}: {count} questions changed, the most changed first"))
    console.print(flips_table(rows, ("question", "before", "after", "asked"), console))
