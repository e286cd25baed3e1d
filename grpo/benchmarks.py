"""`grpo benchmarks`: the table of benchmarks in the terminal; nothing is loaded."""

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from grpo.eval.benchmarks import SUITES, TABLE
from grpo.eval.sources import ROOT, data_root, local_file


def print_benchmarks(named: Path | None) -> None:
    """Print every benchmark with its rows, reward, samples a question and where it is found."""
    root, console = data_root(named), Console(highlight=False)
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    for head in ("benchmark", "rows", "k", "reward", "verified"):
        table.add_column(head, justify="right" if head in ("rows", "k") else "left", no_wrap=True)
    table.add_column("found in", overflow="fold")
    for line in TABLE:
        path = local_file(line, root)
        place = path.relative_to(root) if path else f"hub:{line.hub.name}" if line.hub else "-"
        rows = f"{line.rows:,}" if line.rows is not None else "?"
        verified = "yes" if line.verified else "no"
        table.add_row(line.name, rows, str(line.k), line.reward, verified, Text(str(place)))
    console.print(table)
    for suite, names in SUITES.items():
        console.print(Text(f"{suite}: {', '.join(names)}"))
    console.print(Text(f"Files are looked for in {root} (--data-root, {ROOT})."), soft_wrap=True)
    console.print(Text("k: samples a question. Not verified: tested on the published form alone."))
