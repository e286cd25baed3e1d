"""The tables of docs/scaling.md, in Markdown, from the JSON that the measurements wrote.

Which table a file holds is seen from its keys. In a document a table stands between
`<!-- NAME -->` and `<!-- end -->`, or `<!-- end NAME -->`; NAME is its file's without the ending.

    python benchmarks/scaling_tables.py runs/scaling/evaluations/before/scaling.json \\
        runs/verifiers/process.json runs/verifiers/search.json --into docs/scaling.md
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

Row = Sequence[str]


def main(
    files: Annotated[list[Path], typer.Argument(help="scaling.json, process.json, ...")],
    into: Annotated[Path | None, typer.Option(help="A document with places for them.")] = None,
) -> None:
    """Print the tables, or put them into a document, each in its place."""
    tables = {file.stem: "\n".join(table_of(json.loads(file.read_text()))) for file in files}
    if into is None:
        print("\n\n".join(tables.values()))
        return
    text = into.read_text()
    for name, table in tables.items():
        text = placed(text, name, table)
    into.write_text(text)


def placed(text: str, name: str, table: str) -> str:
    """`text` with the table in its place."""
    mark = re.escape(name)
    place = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- end(?: {mark})? -->)", re.DOTALL)
    if not place.search(text):
        raise SystemExit(f"the document has no place <!-- {name} --> ... <!-- end -->")
    return place.sub(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", text)


def table_of(document: Mapping[str, Any]) -> Iterator[str]:
    """The lines of Markdown that show a document."""
    if "benchmarks" in document:
        for name, found in document["benchmarks"].items():
            yield from _curves(name, found)
    elif "steps" in document:
        yield from _steps(document)
    elif "lines" in document:
        yield from _searches(document)
    else:
        raise SystemExit(f"none of the measurements: it holds {', '.join(document)}")


def _curves(name: str, found: Mapping[str, Any]) -> Iterator[str]:
    curves, law = found["curves"], found["law"]
    ks = list(curves["coverage"])
    yield (
        f"{name}: {found['questions']:,} questions, {found['samples']:,} samples, judged by "
        f"{found['verdict']}\n"
    )
    rows = [
        (label, *(_percent(points[k]) for k in ks), _between(points[ks[-1]]))
        for label, points in curves.items()
    ]
    yield from table_lines(("% right with n samples", *ks, f"95% at {ks[-1]}"), rows)
    if law:
        points = f"{100 * law['residual']:.1f} points"
        yield f"\nThe law: coverage = exp({law['a']:.3g} n^{law['b']:.3g}), off by {points}."


def _steps(document: Mapping[str, Any]) -> Iterator[str]:
    heads = ("scorer, steps", "steps", "wrong", "AUC", "judged right", "wrong ones found",
             "right ones passed", "first mistake found")  # fmt: skip
    rows = []
    for name, one in document["steps"].items():
        found, passed, first, wrong = (
            f"{100 * one[key]:.1f}" for key in ("found", "passed", "first", "wrong")
        )
        auc = f"{one['auc']:.3f} ({one['auc_low']:.3f}-{one['auc_high']:.3f})"
        accuracy = f"{_percent(one['accuracy'])} ({_between(one['accuracy'])})"
        rows.append((name, f"{one['steps']:,}", wrong, auc, accuracy, found, passed, first))
    yield from table_lines(heads, rows)
    taught = document["training"]
    yield (
        f"\nIn %. Learnt from {taught['labels']:,} steps of {taught['problems']:,} other problems, "
        f"{1 - taught['right']:.1%} of them wrong."
    )


def _searches(document: Mapping[str, Any]) -> Iterator[str]:
    heads = ("guide", "kept x drawn", "tokens a question", "= samples", "beam search",
             "best-of-n", "beam - best-of-n", "majority", "coverage")  # fmt: skip
    rows = []
    for one in document["lines"]:
        change = one["change"]
        low, high = 100 * change["low"], 100 * change["high"]
        difference = f"{100 * change['value']:+.1f} ({low:+.1f} to {high:+.1f})"
        beam = f"{_percent(one['beam'])} ({_between(one['beam'])})"
        shares = (_percent(one[key]) for key in ("majority", "coverage"))
        size = f"{one['keep']}x{one['draw']}"
        cost = (f"{one['tokens']:,.0f}", f"{one['samples']:.1f}")
        best = _percent(one["best_of"])
        rows.append((one["scorer"], size, *cost, beam, best, difference, *shares))
    yield from table_lines(heads, rows)
    yield (
        f"\n{document['questions']:,} questions, judged by {document['verdict']}; a sample has "
        f"{document['tokens_a_sample']:.1f} tokens. In %, and points; 95% intervals."
    )


def table_lines(heads: Row, rows: Sequence[Row]) -> Iterator[str]:
    """A table in Markdown, its first column to the left."""
    rule = ("---", *("---:" for _ in heads[1:]))
    yield from (f"| {' | '.join(row)} |" for row in (heads, rule, *rows))


def _percent(estimate: Mapping[str, Any]) -> str:
    return f"{100 * estimate['value']:.1f}"


def _between(estimate: Mapping[str, Any]) -> str:
    return f"{100 * estimate['low']:.1f}-{100 * estimate['high']:.1f}"


if __name__ == "__main__":
    typer.run(main)
