"""The tables and pictures of docs/speed.md, from what `make bench` and its like left in runs/bench.

What was not measured keeps its old table.

    python benchmarks/speed_page.py
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

sys.path.insert(0, str(Path(__file__).parent))

import growth
from memory import WANTED
from scaling_tables import placed, table_lines
from speed_picture import draw_curves, draw_steps
from step.learnt import taken, verdict, verdict_rows
from step.pairs import PAIRS
from step.place import where
from step.spec import Spec
from step.summary import Line, line_of, lines
from step_time import OUT, line_name, number

Document = Mapping[str, Any]
PAGE = Path("docs/speed.md")


def main(
    found: Annotated[Path, typer.Option(help="Where the measurements are.")] = OUT,
    into: Annotated[Path, typer.Option(help="The page; pictures go beside it.")] = PAGE,
) -> None:
    """Put every table that can be made into its place, and draw the pictures."""
    text = into.read_text()
    for name, table in tables(found):
        text = placed(text, name, "\n".join(table))
    into.write_text(text)
    if runs := _runs(found):
        draw_steps(runs, into.with_name("speed.svg"))
    if learnt := _learnt(found):
        draw_curves(learnt, into.with_name("learning.svg"))


def tables(found: Path) -> Iterator[tuple[str, Iterator[str]]]:
    """(name of its place, lines of Markdown) of each table whose numbers are there."""
    if runs := _runs(found):
        yield "bench", bench(runs)
    for name, lines_of in {"memory": memory, "growth": growing}.items():
        if document := _read(found / f"{name}.json"):
            yield name, lines_of(document)
    if learnt := _learnt(found):
        yield "learning", learning(learnt)


def bench(runs: Sequence[Document]) -> Iterator[str]:
    """The ratios of all runs side by side, then each run phase by phase."""
    heads = ("better than TRL by (95%)", *(run["name"] for run in runs))
    names = ("step", "sampling", "forward and backward", "tokens a second", "peak memory")
    rows = [(name, *(str(line_of(run, name).ratio or "-") for run in runs)) for name in names]
    yield from table_lines(heads, rows)
    yield f"\n{where(runs[-1]['place'])} TRL's time and memory over ours; 95% intervals over steps."
    for run in runs:
        yield f"\n**{run['name']}** ({_asked(run)})\n"
        yield from table_lines(("median of a step", "ours", "TRL", "ratio (95%)"), _phases(run))


def _phases(run: Document) -> list[tuple[str, ...]]:
    def row(line: Line) -> tuple[str, ...]:
        shown = (number(line.values[side]) for side in ("ours", "trl"))
        return (line_name(line), *shown, str(line.ratio or ""))

    return [row(line) for line in lines(run)]


def _asked(run: Document) -> str:
    """What both sides were asked for, and how each held the model."""
    ours, trl = (Spec(**run["specs"][side]) for side in ("ours", "trl"))
    ends = "the end token ends a completion" if run["ends"] else "none ends before"
    size = f"{ours.prompts} prompts x {ours.group}, up to {ours.max_tokens} tokens, {ends}"
    steps = f"{len(run['steps']['ours']) - run['warmup']} steps a side after {run['warmup']}"
    return f"{size}; {steps}; ours {_held(ours)}, TRL {_held(trl)}"


def _held(spec: Spec) -> str:
    told = [f"`{key}={value}`" for key, value in spec.knobs.items()]
    told += [f"{spec.processes} processes"] if spec.processes > 1 else []
    told += ["freed memory kept"] if spec.keep_memory else []
    return ", ".join([spec.dtype, *told])


def memory(document: Document) -> Iterator[str]:
    """Peaks by vocabulary."""
    peaks = document["peaks"].items()
    rows = [(f"{int(size):,}", f"{peak / 2**20:,.0f} MiB") for size, peak in peaks]
    yield from table_lines(("vocabulary", "peak beyond head and its gradient"), rows)
    size = f"{document['completions']} x {document['tokens']:,} tokens, width {document['width']}"
    said = f"{document['ratio']:.2f} times, wanted at most {WANTED}"
    yield f"\n{size}, {document['dtype']}: {said}. {where(document['place'])}"


def growing(document: Document) -> Iterator[str]:
    """A line an axis."""
    heads = ("grows with", "from - to", "tokens", "seconds", "a line is off by at most")
    yield from table_lines(heads, list(growth.rows(document)))
    yield f"\n{where(document['place'])}"


def learning(learnt: Mapping[str, Sequence[Document]]) -> Iterator[str]:
    """Both sides' rewards, and the test."""
    yield from table_lines(("mean reward", "ours", "TRL", "difference (95%)"), verdict_rows(learnt))
    yield f"\n{taken(learnt)}"
    yield f"\n{verdict(learnt)} {where(learnt['ours'][-1]['place'])}"


def _runs(found: Path) -> list[Document]:
    """Those with both sides, in the order of PAIRS."""
    there = [_read(found / f"{name}.json") for name in PAIRS]
    return [run for run in there if run and len(run["steps"]) == 2]


def _learnt(found: Path) -> dict[str, list[Document]]:
    """The documents of the seeds that both sides have done, by side."""
    files = {s: {f.stem.split("-")[-1]: f for f in (found / "learning").glob(f"{s}-*.json")}
             for s in ("ours", "trl")}  # fmt: skip
    both = sorted(files["ours"].keys() & files["trl"].keys())
    return (
        {side: [json.loads(of[seed].read_text()) for seed in both] for side, of in files.items()}
        if both
        else {}
    )


def _read(path: Path) -> Document | None:
    return json.loads(path.read_text()) if path.is_file() else None


if __name__ == "__main__":
    typer.run(main)
