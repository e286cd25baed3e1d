"""Stored samples judged again, by the rewards as they are now or by another, and what flipped."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpo.checkpoint.atomic import atomic_write
from grpo.errors import UserError
from grpo.eval.marker import ScorerOf, judged
from grpo.eval.result import PLAN, SAMPLES, Result, write_results
from grpo.eval.row import Row, write_rows
from grpo.eval.score import scored
from grpo.eval.task import Marking, marking

BATCH = 256


@dataclass(frozen=True)
class Rejudged:
    """A benchmark before and after: rows and results in the same order.

    >>> Rejudged("gsm8k", marking("accuracy"), (row, ...), (row, ...), {"avg": ...}, {"avg": ...})
    """

    benchmark: str
    marking: Marking
    before: tuple[Row, ...]
    after: tuple[Row, ...]
    old: dict[str, Any]
    new: dict[str, Any]

    @property
    def flips(self) -> list[tuple[Row, Row]]:
        """The samples that are right on one side and not on the other."""
        pairs = zip(self.before, self.after, strict=True)
        return [(old, new) for old, new in pairs if old.correct != new.correct]

    @property
    def gained(self) -> int:
        """Flips from wrong to right."""
        return sum(new.correct for _, new in self.flips)

    @property
    def moved(self) -> int:
        """Samples of another outcome, whether it changed the score or not."""
        pairs = zip(self.before, self.after, strict=True)
        return sum(old.outcome != new.outcome for old, new in pairs)


def rejudge(result: Result, reward: str | None, scorer_of: ScorerOf) -> list[Rejudged]:
    """Every benchmark of `result` judged again; by `reward`, or as it was judged before."""
    found = []
    for name, old in result.benchmarks.items():
        by = result.marking(name) if reward is None else marking(reward)
        rows = result.rows_of(name)
        again = judged_again(rows, by, scorer_of)
        # Wins were over another result's samples, which nobody judges again here.
        kept = {key: value for key, value in old.items() if key != "against"}
        new = {**kept, **scored(again, by)}
        found.append(Rejudged(name, by, tuple(rows), tuple(again), dict(old), new))
    return found


def judged_again(rows: Sequence[Row], by: Marking, scorer_of: ScorerOf) -> list[Row]:
    """The samples judged by another marking, or by the same one anew."""
    scorer = scorer_of(by.rewards)
    return [
        row
        for at in range(0, len(rows), BATCH)
        for row in judged([row.unjudged() for row in rows[at : at + BATCH]], by, scorer)
    ]


def write_rejudged(
    folder: Path, result: Result, found: Sequence[Rejudged], judging: Mapping[str, Any]
) -> None:
    """The new verdicts as a result of their own. Raises UserError for a folder that holds another.

    `folder` may be the result's own: its verdicts are then replaced. `judging` is what a reward
    could take for a sample this time.
    """
    own = folder.resolve() == result.folder.resolve()
    if not own and folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; give another --out, or remove it")
    plan = json.loads(json.dumps(dict(result.plan)))
    for one in found:
        plan["tasks"][one.benchmark] |= {
            "rewards": dict(one.marking.rewards),
            "verdicts": {name: list(names) for name, names in one.marking.verdicts.items()},
            "extractor": one.marking.extractor,
        }
    write_rows(folder / SAMPLES, [row for one in found for row in one.after])
    atomic_write(folder / PLAN, json.dumps(plan, indent=1, ensure_ascii=False) + "\n")
    changed = {
        "benchmarks": {one.benchmark: one.new for one in found},
        "knobs": {**result.results["knobs"], "judging": dict(judging)},
        "rejudged_from": str(result.folder),
    }
    write_results(folder, {**result.results, **changed})
