"""All that the page of a chain of stages shows and that of a single one does not."""

from dataclasses import dataclass

from grpo.report.draft_rows import draft_tables
from grpo.report.run_directory import RunDirectory
from grpo.report.stage_answers import Asked, asked
from grpo.report.stage_changes import Changes, Sampled, changes
from grpo.report.stage_makings import Preferring, Sieved, preferring, sieved
from grpo.report.stage_rows import Policy, is_chain, policies
from grpo.report.stage_table import Cell, StageTable, parts, stage_tables
from grpo.report.stage_words import R1_SCORES, caveats, headline, is_r1_road


@dataclass(frozen=True)
class Chain:
    """The parts of the page, ready to be put into the template. `r1` are the published scores of
    R1's own stages, where the run goes the same road.

    >>> Chain("After ...", [], policies, tables, parts, changes, asked, sieved, preferring, r1)
    """

    headline: str
    caveats: list[str]
    policies: list[Policy]
    tables: list[StageTable]
    parts: list[tuple[str, list[tuple[str, list[Cell]]]]]
    changes: list[Changes]
    asked: list[Asked]
    sieved: list[Sieved]
    preferring: list[Preferring]
    r1: tuple[tuple[str, ...], ...]

    @property
    def kinds(self) -> list[str]:
        """The kinds of the prompts shown, each once."""
        return list(dict.fromkeys(one.kind for one in self.asked))


def chain_of(run: RunDirectory) -> Chain | None:
    """The parts for a run of several stages; None for one that before and after tell all of."""
    if not is_chain(run):
        return None
    rows, sampled = policies(run), Sampled(run)
    return Chain(
        headline(run, rows),
        caveats(run),
        rows,
        [*stage_tables(rows), *draft_tables(rows)],
        list(parts(rows)),
        changes(rows, sampled),
        asked(rows, sampled),
        sieved(run),
        preferring(run),
        R1_SCORES if is_r1_road(run) else (),
    )
