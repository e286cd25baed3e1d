"""What a reject stage keeps: samples through the sieve, past the evaluations, at most K a problem.

Every sample that does not come through is counted by the first rule it broke. How samples are
drawn is `reject`'s; what is written of those that are kept is `kept`'s.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grpo.gathering.untaught import Untaught
from grpo.recipe.chain import Keeping
from grpo.rollout.sieve import rules, sift
from grpo.types import Group, Judgement
from grpo_data.problem import Problem

OVERLAP, SURPLUS = "overlap", "surplus"
_SPLIT_BY = ("domain", "kind", "language")


@dataclass(frozen=True)
class Candidate:
    """A sample that passed the sieve; `seed` is the one it was drawn with.

    >>> Candidate(problem, 3, 8861306, "<think>3 + 4 = 7</think><answer>7</answer>", judgement)
    """

    problem: Problem
    sample: int
    seed: int
    text: str
    judgement: Judgement


class Harvest:
    """Takes groups one by one; `kept` then holds those who came through, in order."""

    def __init__(self, keeping: Keeping, prefill: str = "") -> None:
        self._keeping, self._prefill = keeping, prefill
        self._passed: list[list[Candidate]] = []
        self._samples = 0
        self._dropped: Counter[str] = Counter()
        self._alone: Counter[str] = Counter()
        self._drawn: dict[str, Counter[str]] = {name: Counter() for name in _SPLIT_BY}
        self._overlap: Mapping[str, Any] = {}
        self.kept: list[Candidate] = []

    @property
    def passed_share(self) -> float:
        """The share of all samples so far that passed the sieve."""
        return sum(map(len, self._passed)) / self._samples

    def take(self, group: Group, seeds: Sequence[int]) -> None:
        """Sift a group; `seeds` are its completions'."""
        through = []
        for sample, sifted in enumerate(sift(group, self._keeping)):
            self._alone.update(sifted.broken)
            if sifted.dropped:
                self._dropped[sifted.dropped] += 1
                continue
            text = self._prefill + group.completions[sample].text
            judgement = group.judgements[sample]
            through.append(Candidate(group.problem, sample, seeds[sample], text, judgement))
        self._passed.append(through)
        self._samples += len(group.completions)
        for name, value in _split(group.problem):
            self._drawn[name][value] += len(group.completions)

    def choose(self, untaught: Untaught) -> None:
        """Drop what overlaps with `untaught`, then all but K a problem.

        The K are those of the lowest seeds: a draw that hangs on the recipe alone, and prefers
        neither the short nor what happened to come first.
        """
        everyone = [one for group in self._passed for one in group]
        hits = untaught.hits([(one.problem.question, one.text) for one in everyone])
        self._overlap = hits.told
        hit = {id(everyone[row]) for row in hits.rows}
        self._dropped[OVERLAP] = len(hit)
        for group in self._passed:
            clean = [one for one in group if id(one) not in hit]
            drawn = {one.seed for one in sorted(clean, key=_seed)[: self._keeping.at_most]}
            chosen = [one for one in clean if one.seed in drawn]
            self._dropped[SURPLUS] += len(clean) - len(chosen)
            self.kept += chosen

    def report(self) -> dict[str, Any]:
        """The counts: `dropped` by the first rule broken, which sums with `kept` to `samples`;
        `alone` by each rule of the sieve as if it were the only one."""
        sieve = rules(self._keeping)
        problems = {one.problem.id for one in self.kept}
        return {
            "problems": len(self._passed),
            "samples": self._samples,
            "kept": len(self.kept),
            "problems_kept": len(problems),
            "dropped": {rule: self._dropped[rule] for rule in (*sieve, OVERLAP, SURPLUS)},
            "alone": {rule: self._alone[rule] for rule in sieve},
            "by": self._by(),
            "overlap": self._overlap,
        }

    def _by(self) -> dict[str, dict[str, dict[str, int]]]:
        kept = {name: Counter[str]() for name in _SPLIT_BY}
        for name, value in _all_splits(self.kept):
            kept[name][value] += 1
        return {
            name: {
                value: {"samples": samples, "kept": kept[name][value]}
                for value, samples in sorted(drawn.items())
            }
            for name, drawn in self._drawn.items()
            if drawn
        }


def _seed(one: Candidate) -> int:
    return one.seed


def _all_splits(kept: Iterable[Candidate]) -> Iterable[tuple[str, str]]:
    return (split for one in kept for split in _split(one.problem))


def _split(problem: Problem) -> list[tuple[str, str]]:
    columns = {**problem.columns, "domain": problem.domain}
    return [(name, str(columns[name])) for name in _SPLIT_BY if columns.get(name) is not None]
