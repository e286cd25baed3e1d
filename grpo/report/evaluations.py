"""Evaluations in the terminal: a result's scores, two results compared, verdicts that flipped.

At most 80 columns, and plain ASCII where nothing else is at stake: a pipe or a log file takes it.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from grpo.eval.paired import Comparison
from grpo.eval.rejudge import Rejudged
from grpo.report.draft_rows import draft_of, draft_sentence
from grpo.report.run_directory import evaluation_of
from grpo.report.scores import (
    Score,
    amount,
    amount_interval,
    is_share,
    percent,
    points,
    points_interval,
    read_score,
)
from grpo.report.tables import trend
from grpo.report.terminal import ascii_text, before_after
from grpo.report.text import duration

WIDEST_NAME = 16
WIDEST_CELL, NARROWEST = 24, 10
WIDEST_NOTE = 120
PARTS_SHOWN = 12


def show_results(results: Mapping[str, Any], folder: Path, console: Console) -> None:
    """The scores of a result, what may have bent them, and where it lies."""
    benchmarks = results["benchmarks"]
    own = next(iter(benchmarks.values())) if len(benchmarks) == 1 else {}
    if own.get("verdict") == "strict":
        console.print(before_after([{"stage": "score", **evaluation_of(results)}]))
    else:
        console.print(_scores(benchmarks))
        if sentence := draft_sentence(draft_of(results)):
            console.print(Text(f"MTP draft: {sentence}."), soft_wrap=True)
    notes = Table.grid(padding=(0, 1))
    notes.add_column(no_wrap=True, max_width=WIDEST_NAME + 1)
    for name, text in _notes(results):
        notes.add_row(Text(f"{_short(name)}:"), Text(text, style="yellow"))
    if notes.row_count:
        console.print(notes)
    took = f"Took {duration(results['seconds'])}. " if results["tokens_per_second"] else ""
    console.print(Text(f"In brackets: 95% intervals. {took}Result: {folder}"), soft_wrap=True)


def _notes(results: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(what it is about, a sentence)."""
    for name, found in results["benchmarks"].items():
        yield from ((name, text) for text in (*found["warnings"], *found.get("notes", ())))
    if deviations := results.get("deviations"):
        yield "Not as R1", "; ".join(map(_brief, deviations))


def _brief(text: str) -> str:
    """What a line has room for: a prompt with examples is in the report."""
    return text if len(text) <= WIDEST_NOTE else f"{text[: WIDEST_NOTE - 3]}..."


def _short(name: str) -> str:
    """A generator's tasks without the generator, where there is no room for both."""
    return name if len(name) <= WIDEST_NAME else name.partition(":")[2] or name


def _scores(benchmarks: Mapping[str, Mapping[str, Any]]) -> Table:
    # Of one sample a question they say nothing new.
    several = any(found["k"] > 1 for found in benchmarks.values())
    of_several = ("pass@k", "cons@k") if several else ()
    heads = ("asked", "score", *of_several, "lenient", "cut", "unread")
    table = _table("benchmark", *heads)
    for name, found in benchmarks.items():
        table.add_row(_short(name), *_cells(found, several))
        for part, scores in found["by"].items():
            if part != "language" and len(scores) <= PARTS_SHOWN:
                for label in scores:
                    score = _with_interval(read_score(scores, label), is_share(found))
                    # A level is often a bare number.
                    name = f"level {label}" if part == "level" else label
                    table.add_row(Text(f"  {name}", style="dim"), "", score)
    return table


def _cells(found: Mapping[str, Any], several: bool) -> Iterator[str]:
    k = str(found["k"])
    yield f"{found['questions']:,}x{k}"
    yield _with_interval(read_score(found, "avg"), is_share(found))
    if several:
        yield percent(read_score(found["pass"], k)).translate(ascii_text)
        yield percent(read_score(found["cons"], k)).translate(ascii_text)
    yield percent(read_score(found["scores"], "lenient")).translate(ascii_text)
    yield f"{found['truncated']:.0%}"
    yield f"{found['unparseable']:.0%}"


def _with_interval(score: Score | None, share: bool) -> str:
    between, text = amount_interval(score, share), amount(score, share)
    return (f"{text} ({between})" if between else text).translate(ascii_text)


def rejudged_table(found: Sequence[Rejudged]) -> Table:
    """A line a benchmark: its score before and after, and how many samples went which way."""
    table = _table("benchmark", "before", "after", "to right", "to wrong", "moved", "of")
    for one in found:
        before = amount(read_score(one.old, "avg"), is_share(one.old)).translate(ascii_text)
        after = _with_interval(read_score(one.new, "avg"), is_share(one.new))
        counts = (one.gained, len(one.flips) - one.gained, one.moved, len(one.after))
        table.add_row(one.benchmark, before, after, *(f"{count:,}" for count in counts))
    return table


def comparison_table(found: Mapping[str, Comparison]) -> Table:
    """A line a benchmark: both scores, their difference in points with its interval, p, and how
    many questions got better and worse."""
    table = _table("benchmark", "before", "after", "change in points", "p", "up", "down")
    for name, one in found.items():
        change = Score(one.difference.value, one.difference.low, one.difference.high)
        text = f"{points(change)} ({points_interval(change)})".translate(ascii_text)
        table.add_row(
            name,
            f"{one.before.value:.1%}",
            f"{one.after.value:.1%}",
            Text(text, style={"up": "green", "down": "red", "": ""}[trend(change)]),
            f"{one.p:.4f}" if one.p >= 0.0001 else "<0.0001",
            f"{one.improved:,}",
            f"{one.worsened:,}",
        )
    return table


def flips_table(rows: Sequence[tuple[str, ...]], heads: Sequence[str], console: Console) -> Table:
    """What changed, a line each; the last column takes the room that is left, and where that is
    too little, some of the first one's."""
    *widths, _ = (
        min(WIDEST_CELL, max(cell_len(cells[place]) for cells in ((*heads,), *rows)))
        for place in range(len(heads))
    )
    # Two columns of the terminal between any two of ours.
    room = console.width - 2 * len(widths) - sum(widths)
    widths[0] = max(NARROWEST, widths[0] - max(0, NARROWEST - room))
    last = max(NARROWEST, console.width - 2 * len(widths) - sum(widths))
    table = Table(box=None, pad_edge=False)
    for head, width in zip(heads, (*widths, last), strict=True):
        table.add_column(head, no_wrap=True, max_width=width)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def share(value: float) -> str:
    """`31.2%`."""
    return f"{value:.1%}"


def _table(first: str, *others: str) -> Table:
    # No frame: 80 columns hold the numbers, and nothing beside them.
    table = Table(box=None, pad_edge=False, collapse_padding=True)
    table.add_column(first, no_wrap=True, max_width=WIDEST_NAME)
    for head in others:
        table.add_column(head, justify="right", no_wrap=True)
    return table
