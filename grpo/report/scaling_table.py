"""Curves over the number of samples in the terminal: shares in percent, at most 80 columns."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from grpo.eval.intervals import Estimate
from grpo.eval.law import Law
from grpo.eval.scaled import Scaled

COLUMNS = 8
"""Numbers of samples shown: the largest."""

WIDEST_NAME = 19


def show_scaled(found: Scaled, console: Console) -> None:
    """A line a curve, the interval at its last point, and the law of the coverage."""
    asked = f"{found.questions:,} questions, {found.samples:,} samples, judged by {found.verdict}"
    console.print(Text(f"\n{found.benchmark}: {asked}"))
    console.print(_table(found))
    console.print(Text(law_in_words(found.scaling.law)), soft_wrap=True)


def law_in_words(law: Law | None) -> str:
    """The fitted law and how far it is off, as a root mean square."""
    if law is None:
        return "No law of repeated sampling: it needs two points between 0 and 1."
    return (
        f"Law of repeated sampling: coverage = exp({law.a:.3g} n^{law.b:.3g}), off by "
        f"{100 * law.residual:.1f} points."
    )


def _table(found: Scaled) -> Table:
    curves = found.scaling.curves
    ks = [*curves["coverage"]][-COLUMNS:]
    # No frame: 80 columns hold the numbers, and nothing beside them.
    table = Table(box=None, pad_edge=False)
    table.add_column("n samples", no_wrap=True, max_width=WIDEST_NAME)
    for head in (*map(str, ks), "interval"):
        table.add_column(head, justify="right", no_wrap=True)
    heading = ""
    for name, points in curves.items():
        method, _, score = name.partition(" by ")
        if score and method != heading:
            table.add_row(f"{method.removesuffix(' majority')} by")
        heading = method if score else ""
        table.add_row(f"  {score}" if score else method, *_cells([points[k] for k in ks]))
    return table


def _cells(points: Sequence[Estimate]) -> Iterator[str]:
    yield from (f"{100 * point.value:.1f}" for point in points)
    yield from (f"{100 * point.low:.1f}-{100 * point.high:.1f}" for point in points[-1:])
