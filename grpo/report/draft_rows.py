"""What an MTP draft was worth in evaluations: its acceptance, and the speed with and without."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from grpo.report.scores import amount, number, read_score
from grpo.report.stage_rows import Policy
from grpo.report.stage_table import Cell, Measure, StageTable

Draft = Mapping[str, Any]
"""As an evaluation's results hold it; empty where nothing was drafted."""

_MEASURES = (
    Measure("accepted", "of the tokens proposed", ("acceptance",), ranked=False),
    Measure("tokens/s", "with the draft", ("tokens_per_second",), share=False, ranked=False),
    Measure("without", "tokens/s", ("tokens_per_second_without",), share=False, ranked=False),
    Measure("times", "as fast", ("times",), share=False, ranked=False),
)


def draft_of(results: Mapping[str, Any]) -> Draft:
    """What the results say of a draft."""
    draft = results.get("engine", {}).get("draft", {})
    return draft if isinstance(draft, Mapping) else {}


def draft_sentence(draft: Draft) -> str:
    """`78.3% accepted; 1,234 tokens/s with it, 987 without (1.25 times)`; empty without a draft."""
    with_it, without = _speeds(draft)
    if with_it is None or without is None:
        return ""
    accepted = amount(read_score(draft, "acceptance"), share=True)
    return (
        f"{accepted} accepted; {with_it:,.0f} tokens/s with it, {without:,.0f} without "
        f"({with_it / without:.2f} times)"
    )


def draft_tables(policies: Sequence[Policy]) -> list[StageTable]:
    """A table of the checkpoints that were drawn from with a draft, if there are any."""
    drawn = [policy for policy in policies if all(_speeds(policy.draft))]
    if not drawn:
        return []
    counts = sorted({policy.draft["questions"] for policy in drawn})
    asked = f"speeds on {' or '.join(map(str, counts))} questions, in turns"
    rows = [(policy, tuple(_cells(policy.draft))) for policy in drawn]
    return [StageTable("MTP draft", "a step's second token", asked, _MEASURES, tuple(rows))]


def _cells(draft: Draft) -> Iterator[Cell]:
    with_it, without = _speeds(draft)
    assert with_it and without
    yield Cell(amount(read_score(draft, "acceptance"), share=True))
    yield from (Cell(f"{speed:,.0f}") for speed in (with_it, without))
    yield Cell(f"{with_it / without:.2f}")


def _speeds(draft: Draft) -> tuple[float | None, float | None]:
    return number(draft.get("tokens_per_second")), number(draft.get("tokens_per_second_without"))
