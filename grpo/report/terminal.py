"""The scores of a run in the terminal: at most 80 columns, plain where there is no terminal.

Only ASCII is printed, so that no pipe, log file or old console stumbles over it.
"""

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from grpo.report import stage_words
from grpo.report.draft_rows import draft_tables
from grpo.report.headline import caveats, headline
from grpo.report.run_directory import RunDirectory, read_run
from grpo.report.scores import MINUS, NONE
from grpo.report.stage_rows import is_chain, policies
from grpo.report.stage_table import Cell, StageTable, stage_tables, without_words
from grpo.report.tables import Evaluation, column_names, ends, score_rows

ascii_text = str.maketrans({MINUS: "-", NONE: "-"})
"""For `translate`: signs and dashes that every console has."""

_WIDEST_STAGE, _WITH_INTERVAL = 17, 5
"""Columns of a stage's name, and measures beside which an interval has room."""

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
    """What was learnt, a table, and where the report lies if it is written: before and after, or
    the stages side by side where there are several.

    Raises UserError when `run_dir` is no run directory.
    """
    run = read_run(run_dir)
    console = console or Console()
    if is_chain(run):
        _print_chain(run, console)
    else:
        _print_ends(run, console)
    if (run_dir / "report.html").is_file():
        console.print(Text(f"Report: {run_dir / 'report.html'}"), soft_wrap=True)


def _print_ends(run: RunDirectory, console: Console) -> None:
    _print_words(headline(run), caveats(run), console)
    if run.evaluations:
        table = before_after(run.evaluations)
        table.box = table.box if console.is_terminal else None
        console.print(table)
        console.print(Text("In brackets: 95% intervals. Change: in points, lengths in tokens."))


def _print_chain(run: RunDirectory, console: Console) -> None:
    rows = policies(run)
    _print_words(stage_words.headline(run, rows), stage_words.caveats(run), console)
    for told in (*stage_tables(rows), *draft_tables(rows)):
        console.print(Text(f"\n{told.title}: {told.asked}".translate(ascii_text)))
        console.print(side_by_side(told))
    if wordless := [f"{label} {share}" for label, share in without_words(rows)]:
        console.print(Text(f"Thoughts without words, of no language: {', '.join(wordless)}."))
    if rows:
        text = "In brackets: 95% intervals. *: the best. Length: tokens. Wins: ties half."
        console.print(Text(text))


def _print_words(sentence: str, warnings: Sequence[str], console: Console) -> None:
    console.print(Text(sentence.translate(ascii_text)))
    for warning in warnings:
        console.print(Text(warning.translate(ascii_text), style="yellow"))


def side_by_side(told: StageTable) -> Table:
    """A benchmark's rows by stage, the lead measure with its interval where there is room."""
    # No frame: 80 columns hold the numbers, and nothing beside them.
    table = Table(box=None, pad_edge=False, collapse_padding=True)
    table.add_column("checkpoint", no_wrap=True, max_width=_WIDEST_STAGE)
    for measure in told.measures:
        # Over the digits, not over the mark of the best behind them.
        table.add_column(f"{measure.head} ".translate(ascii_text), justify="right")
    has_room = len(told.measures) <= _WITH_INTERVAL
    for policy, (lead, *others) in told.rows:
        name = policy.label.encode("ascii", "replace").decode()
        first = _cell(lead.value, lead.interval if has_room else "")
        table.add_row(Text(name), _mark(first, lead), *(_mark(one.value, one) for one in others))
    return table


def _mark(text: str, cell: Cell) -> str:
    return f"{text}{'*' if cell.is_best else ' '}".translate(ascii_text)


def _cell(value: str, interval: str) -> str:
    return (f"{value} ({interval})" if interval else value).translate(ascii_text)
