"""Which two completions of a prompt stand in a pair, and the row that is written of them.

The best goes beside the worst, the second best beside the second worst, as long as the judge sees
`gap` between them. How samples are drawn is `compare`'s.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grpo.gathering.keeping import OVERLAP, Candidate
from grpo.gathering.kept import PROVENANCE, Origin, Row
from grpo.gathering.untaught import Untaught
from grpo.types import Group

EMPTY, DUPLICATE, UNJUDGED, UNPAIRED = "empty", "duplicate", "unjudged", "unpaired"
_OWN = {"id", "key", "prompt", "chosen", "rejected", PROVENANCE}
"""Columns of a row that no problem's may take."""


@dataclass(frozen=True)
class Match:
    """Two samples of one problem, the better one first.

    >>> Match(Candidate(problem, 3, 886, "No.", good), Candidate(problem, 0, 115, "Yes.", bad))
    """

    chosen: Candidate
    rejected: Candidate


class Matches:
    """Takes groups one by one; `kept` then holds the pairs, in order."""

    def __init__(self, pairs: int, gap: float, prefill: str = "") -> None:
        self._pairs, self._gap, self._prefill = pairs, gap, prefill
        self._problems = self._samples = 0
        self._dropped: Counter[str] = Counter()
        self._overlap: Any = {}
        self.kept: list[Match] = []

    @property
    def paired_share(self) -> float:
        """The share of all samples so far that stand in a pair."""
        return 2 * len(self.kept) / self._samples

    def take(self, group: Group, seeds: Sequence[int]) -> None:
        """Pair a group's samples; `seeds` are what they were drawn with, and break ties."""
        ranked = sorted(self._distinct(group, seeds), key=_rank)
        ends = [
            Match(good, bad)
            for bad, good in zip(ranked, reversed(ranked[len(ranked) // 2 :]), strict=False)
            if _reward(good) - _reward(bad) >= self._gap
        ][: self._pairs]
        self.kept += ends
        self._problems += 1
        self._samples += len(group.completions)
        self._dropped[UNPAIRED] += len(ranked) - 2 * len(ends)

    def choose(self, untaught: Untaught) -> None:
        """Drop the pairs of which either side overlaps with `untaught`."""
        hits = untaught.hits([_texts(one) for match in self.kept for one in _sides(match)])
        hit = {row // 2 for row in hits.rows}
        self._overlap = hits.told
        self._dropped[OVERLAP] = 2 * len(hit)
        self.kept = [match for number, match in enumerate(self.kept) if number not in hit]

    def report(self) -> dict[str, Any]:
        """The counts: `dropped` and `kept` are samples, two a pair, and sum to `samples`."""
        return {
            "problems": self._problems,
            "samples": self._samples,
            "kept": 2 * len(self.kept),
            "problems_kept": len({match.chosen.problem.id for match in self.kept}),
            "dropped": dict(self._dropped),
            "overlap": self._overlap,
        }

    def _distinct(self, group: Group, seeds: Sequence[int]) -> list[Candidate]:
        """The samples that say something, were judged, and have not been said before."""
        seen: dict[str, Candidate] = {}
        for sample, (said, judged) in enumerate(
            zip(group.completions, group.judgements, strict=True)
        ):
            text = self._prefill + said.text
            fault = (
                EMPTY if not said.text.strip()
                else UNJUDGED if judged.reward is None
                else DUPLICATE if text in seen
                else None
            )  # fmt: skip
            if fault:
                self._dropped[fault] += 1
            else:
                seen[text] = Candidate(group.problem, sample, seeds[sample], text, judged)
        return list(seen.values())


def row(match: Match, origin: Origin) -> Row:
    """A pair as a preference: the bare question, and where both sides come from."""
    problem, sides = match.chosen.problem, _sides(match)
    columns = {name: value for name, value in problem.columns.items() if name not in _OWN}
    return {
        "id": f"{problem.id}/{match.chosen.sample}-{match.rejected.sample}",
        "key": problem.key,
        "prompt": problem.question,
        "chosen": match.chosen.text,
        "rejected": match.rejected.text,
        **columns,
        PROVENANCE: {
            "source": f"{origin.run}:{origin.stage}",
            "checkpoint": origin.checkpoint,
            "problem": problem.id,
            "samples": [one.sample for one in sides],
            "seeds": [one.seed for one in sides],
            "rewards": [one.judgement.reward for one in sides],
        },
    }


def _sides(match: Match) -> tuple[Candidate, Candidate]:
    return match.chosen, match.rejected


def _texts(one: Candidate) -> tuple[str, str]:
    return one.problem.question, one.text


def _reward(one: Candidate) -> float:
    assert one.judgement.reward is not None, "what was not judged is in no pair"
    return one.judgement.reward


def _rank(one: Candidate) -> tuple[float, int]:
    return _reward(one), one.seed
