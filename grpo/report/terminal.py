"""The before/after table in the terminal: at most 80 columns, plain where there is no terminal.

Only ASCII is printed, so that no pipe, log file or old console stumbles over it.
"""

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from grpo.report.headline import caveats, headline
from grpo.report.run_directory import read_run
from grpo.report.scores import MINUS, NONE
from grpo.report.tables import Evaluation, column_names, ends, score_rows

ascii_text = str.maketrans({MINUS: "-", NONE: "-"})
"""For `translate`: signs and dashes that every console has."""

_STYLE = {"up": "green", "down": "red", "": ""}


def before_after(evaluations: Sequence[Evaluation]) -> Table:
    """The first and the last evaluation side by side, with 95% intervals and the change.

    Changes of shares are in percentage points, those of lengths in tokens; a change is coloured
    where its interval leaves zero out. One evaluation gives a table without the change.
    """
    before, after = ends(evaluations)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("held-out score", no_wrap=True)
    for when, policy in column_names(evaluations):
        name = policy.encode("ascii", "replace").decode()
        table.add_column(f"{when}: {name}" if when else name, justify="right")
    if after:
        table.add_column("change", justify="right")
    for row in score_rows(before, after):
        pairs = zip(row.values, row.intervals, strict=True)
        cells = [Text(_cell(value, interval)) for value, interval in pairs]
        change = Text(row.change.translate(ascii_text), style=_STYLE[row.trend])
        table.add_row(row.label, *([*cells, change] if after else cells[:1]))
    return table


def print_summary(run_dir: Path, console: Console | None = None) -> None:
    """What was learnt, the before/after table, and where the report lies if it is written.

    Raises UserError when `run_dir` is no run directory.
    """
    run = read_run(run_dir)
    console = console or Console()
    console.print(Text(headline(run).translate(ascii_text)))
    for caveat in caveats(run):
        console.print(Text(caveat, style="yellow"))
    if run.evaluations:
        table = before_after(run.evaluations)
        table.box = table.box if console.is_terminal else None
        console.print(table)
        console.print(Text("In brackets: 95% intervals. Change: in points, lengths in tokens."))
    if (run_dir / "report.html").is_file():
        console.print(Text(f"Report: {run_dir / 'report.html'}"), soft_wrap=True)


def _cell(value: str, interval: str) -> str:
    return (f"{value} ({interval})" if interval else value).translate(ascii_text)
