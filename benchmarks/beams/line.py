"""A search beside what its cost buys in whole samples: numbers with intervals, and their table."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from rich.table import Table

from beams.bench import Bench
from grpo.eval.intervals import Estimate, clustered
from grpo.eval.paired import compare
from grpo.eval.pass_at_k import avg_at_k
from grpo.eval.search.beam import Beams
from grpo.eval.search.budget import at_budget, best_of, coverage, majority
from grpo.eval.search.paths import Found


@dataclass(frozen=True)
class Line:
    """One search, and what whole samples come to for as many `tokens` a question.

    `samples` is that cost in whole samples; `change` is beam - best_of, questions paired.

    >>> Line("checker", 4, 4, tokens=455.8, samples=15.5, beam=Estimate(...), best_of=Estimate(...),
    ...      change=Estimate(...), p=0.02, majority=Estimate(...), coverage=Estimate(...))
    """

    scorer: str
    keep: int
    draw: int
    tokens: float
    samples: float
    beam: Estimate
    best_of: Estimate
    change: Estimate
    p: float
    majority: Estimate
    coverage: Estimate


def compared(bench: Bench, name: str, beams: Beams, runs: Sequence[Sequence[Found]]) -> Line:
    """Repeated searches of the bench's questions, guided by the score `name`."""
    tokens = fmean(found.tokens for run in runs for found in run)
    samples = tokens / bench.tokens
    credits = [list(map(float, of)) for of in zip(*map(bench.right, runs), strict=True)]
    best, most, any_right = (
        at_budget(method, samples, bench.most)
        for method in (best_of(bench.table, name), majority(bench.table), coverage(bench.table))
    )
    ids = [row.question_id for row in bench.firsts]
    before = {one: [credit] for one, credit in zip(ids, best, strict=True)}
    paired = compare(before, dict(zip(ids, credits, strict=True)))
    stored = bench.most * len(ids)
    return Line(
        name,
        beams.keep,
        beams.draw,
        tokens,
        samples,
        avg_at_k(credits),
        clustered(best, stored),
        paired.difference,
        paired.p,
        clustered(most, stored),
        clustered(any_right, stored),
    )


def table(lines: Sequence[Line]) -> Table:
    """A line a search: shares in percent, the change in points, 95% intervals in brackets."""
    shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for head in ("scorer", "beams", "tokens", "n", "beam", "best-of-n", "change", "majority"):
        shown.add_column(head, justify="left" if head == "scorer" else "right", no_wrap=True)
    for line in lines:
        change = line.change
        shown.add_row(
            line.scorer,
            f"{line.keep}x{line.draw}",
            f"{line.tokens:,.0f}",
            f"{line.samples:.1f}",
            f"{100 * line.beam.value:.1f} ({100 * line.beam.low:.1f}-{100 * line.beam.high:.1f})",
            f"{100 * line.best_of.value:.1f}",
            f"{100 * change.value:+.1f} ({100 * change.low:+.1f} {100 * change.high:+.1f})",
            f"{100 * line.majority.value:.1f}",
        )
    return shown
