"""Benchmarks to compare training problems with: names of the table, files and hub names alike."""

from collections.abc import Sequence
from pathlib import Path

from grpo.eval.benchmarks import BENCHMARKS, SUITES, chosen
from grpo.eval.sources import data_root, load
from grpo_data.overlap import Benchmark, Text, read_benchmarks


def is_named(source: str) -> bool:
    """Whether `source` is a benchmark's or a suite's name in the table."""
    return source in BENCHMARKS or source in SUITES


def read_against(
    sources: Sequence[str], column: str | None = None, *, split: str = "test"
) -> dict[str, Benchmark]:
    """The questions of each benchmark by its name; `column` and `split` speak to files and hub.

    Raises UserError for a benchmark of the table that is nowhere to be had, and what
    `read_benchmarks` raises.
    """
    names = [source for source in sources if is_named(source) or _is_meant_as_name(source)]
    others = [source for source in sources if source not in names]
    held = {line.name: _held(line.name) for line in (chosen(names) if names else ())}
    if others or not names:
        held |= read_benchmarks(others, column, split=split)
    return held


def _is_meant_as_name(source: str) -> bool:
    """Whether it can be nothing but a misspelt name: no file, no generator, no owner on the hub."""
    return not (Path(source).exists() or set(source) & set("/:."))


def _held(name: str) -> Benchmark:
    loaded = load(BENCHMARKS[name], data_root(None))
    texts = (
        # A question of choices is compared without them.
        Text(p.id, str(p.columns.get("stem", p.question)), {"id": p.id, **p.columns})
        for p in loaded.problems
    )
    return Benchmark(name, loaded.source, tuple(texts))
