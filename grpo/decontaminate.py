"""`grpo decontaminate`: which rows of a training set stand in benchmarks, and a copy without them.

A training set that overlaps is a finding, no error. The same check as a gate before training is
a knob of the recipe, `data.decontaminate`.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from grpo.checkpoint.atomic import atomic_write
from grpo.eval.against import read_against
from grpo_data.overlap import document, overlaps, read_texts
from grpo_data.overlap.clean import refuse_copy, write_without
from grpo_data.overlap.page import Document, markdown, table, total

PHRASES = 3
"""Shared n-grams named in the terminal."""


def decontaminate(
    train: str,
    benchmarks: Sequence[str],
    *,
    question: str | None = None,
    split: str = "train",
    benchmark_question: str | None = None,
    benchmark_split: str = "test",
    rules: Collection[str] = ("exact", "letters", "ngram"),
    n: int = 10,
    out: Path | None = None,
    clean: Path | None = None,
) -> None:
    """Print how many rows of `train` overlap with each of `benchmarks`.

    `out` is a folder for overlap.json and overlap.md, `clean` a .jsonl file for the rows that
    overlap with none. Raises UserError, ValueError or FileNotFoundError, in one sentence, for what
    cannot be read, rules that do not exist, and a `clean` that cannot be.
    """
    if clean:
        refuse_copy(train, clean)
    held = read_against(benchmarks, benchmark_question, split=benchmark_split)
    ids: list[str] = []

    def questions() -> Iterator[str]:
        for text in read_texts(train, question, split=split):
            ids.append(text.id)
            yield text.question

    texts = {name: [text.question for text in benchmark.texts] for name, benchmark in held.items()}
    found = overlaps(questions(), texts, n, rules)
    written = document(found, train, ids, held)
    console = Console(highlight=False)
    _show(written, console)
    if out:
        atomic_write(out / "overlap.json", json.dumps(written, indent=1, ensure_ascii=False) + "\n")
        atomic_write(out / "overlap.md", markdown(written))
        console.print(Text(f"Report: {out / 'overlap.md'}"), soft_wrap=True)
    if clean:
        kept = write_without(found.train_rows(), train, clean, question, split=split)
        console.print(Text(f"Clean: {clean} ({kept:,} rows)"), soft_wrap=True)


def _show(written: Document, console: Console) -> None:
    heads, *rows = table(written)
    grid = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    for column, head in enumerate(heads):
        grid.add_column(head, justify="right" if column else "left", overflow="fold")
    for row in rows:
        grid.add_row(*map(Text, row))
    console.print(Text(total(written)))
    console.print(grid)
    common = [
        (phrase["train_rows"], phrase["ngram"], held["name"])
        for held in written["benchmarks"]
        for phrase in held["phrases"]
        if phrase["train_rows"] > 1
    ]
    for rows_given, ngram, name in sorted(common, reverse=True)[:PHRASES]:
        console.print(Text(f'{name}: {rows_given:,} by "{ngram}" alone'))
