"""An overlap document as text: a line of the total, a table of counts, a Markdown page."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]
"""What `document` gives, and overlap.json holds; `Held` is one of its benchmarks."""

Held = Mapping[str, Any]

_EXPLAINED = (
    "Counts are training rows. exact: the same text but for layout; letters: the same letters and "
    "digits, signs aside; {n}-gram: {n} words in a row (a Chinese character is two thirds of a "
    "word), shorter texts whole; any: by one of these; hit: the benchmark's rows that were met."
)


def total(written: Document) -> str:
    """How many training rows overlap with any benchmark, in one sentence."""
    hit, rows, repeats = written["overlapping"], written["rows"], written["repeats"]
    again = f"; {repeats:,} repeat an earlier row" if repeats else ""
    return f"{hit:,} of {rows:,} rows of {written['train']} overlap ({hit / rows:.1%}){again}."


def table(written: Document) -> list[list[str]]:
    """Heads, then a row a benchmark: name, rows, training rows by each rule, own rows met."""
    rules = written["rules"]
    names = [f"{written['n']}-gram" if rule == "ngram" else rule for rule in rules]
    return [
        ["benchmark", "rows", *names, "any", "hit"],
        *(_row(held, rules) for held in written["benchmarks"]),
    ]


def markdown(written: Document) -> str:
    """The whole page: total, table, and for each benchmark set phrases and examples."""
    heads, *rows = table(written)
    lines = [
        f"# Overlap of {written['train']} with benchmarks\n",
        f"{total(written)} {_EXPLAINED.format(n=written['n'])}\n",
        _line(heads),
        _line(["---", *["---:"] * (len(heads) - 1)]),
        *map(_line, rows),
    ]
    for held in written["benchmarks"]:
        if held["matches"]:
            lines += [f"\n## {held['name']}", *_phrases(held), *_examples(held)]
    return "\n".join(lines) + "\n"


def _row(held: Held, rules: list[str]) -> list[str]:
    train = [held["train_rows"][rule] for rule in (*rules, "any")]
    counts = (held["rows"], *train, held["benchmark_rows"]["any"])
    return [held["name"], *(f"{count:,}" for count in counts)]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _phrases(held: Held) -> Iterator[str]:
    if held["phrases"]:
        yield "\nn-grams that alone gave rows away; where they are many, it may be a set phrase:\n"
    for phrase in held["phrases"]:
        yield f"- {phrase['train_rows']:,}: `{phrase['ngram']}`"


def _examples(held: Held) -> Iterator[str]:
    for example in held["examples"]:
        rules = ", ".join(example["rules"])
        shared = f": `{example['ngram']}`" if example["ngram"] else ""
        yield f"\n**{example['train']}** against **{example['benchmark']}**, by {rules}{shared}\n"
        yield _fenced(example["train_text"])
        yield _fenced(example["benchmark_text"])


def _fenced(text: str) -> str:
    """As it is: dollars and stars in it are no Markdown."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}"
