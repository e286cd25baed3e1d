"""One step being filled: how many groups each part still lacks, how many prompts are likely to give
them, and which step learns from which group. Counts alone; nothing is drawn here.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from grpo.types import Group, Refilled, Rollout
from grpo_data.problem import Problem


class Filling:
    """Step `step`, which is to learn from `quota` live groups by part, `banked` of them there
    already; the step after it takes `later`.

    A round draws what is missing over the share of groups that was live in this step and the one
    before, but no more than leaves the next step a group to draw: all that is banked is then learnt
    from in the next step, and no step is without a rollout of its own policy.
    """

    def __init__(
        self,
        step: int,
        quota: Mapping[str, int],
        later: Mapping[str, int],
        banked: Mapping[str, int],
        places: Mapping[str, int],
    ) -> None:
        self.step, self.rounds = step, 0
        self.missing = Counter(quota)
        self.missing.subtract(banked)
        self._later, self._from_bank = later, sum(banked.values())
        self._places = Counter(places)
        self._drawn: Counter[str] = Counter()
        self._live: Counter[str] = Counter()
        self._times: Counter[str] = Counter()
        self._groups: list[Group] = []
        self._learnt: list[int | None] = []

    def remember(self, parts: Iterable[str], live: Iterable[bool]) -> None:
        """What earlier groups of `parts` were, to guess by what share of the next will be live."""
        for part, is_live in zip(parts, live, strict=True):
            self._drawn[part] += 1
            self._live[part] += is_live

    @property
    def is_full(self) -> bool:
        """Whether no group is missing."""
        return not any(self.missing.values())

    def turns(self) -> list[tuple[str, int]]:
        """The next round's problems: (part, place in its order) for each part that lacks groups."""
        return [
            (part, self._places[part] + number)
            for part, lacks in self.missing.items()
            if lacks
            for number in range(self._size(part))
        ]

    def times(self, problems: Sequence[Problem]) -> list[int]:
        """How often the step has drawn each of `problems` before, those before it among them."""
        before = []
        for problem in problems:
            before.append(self._times[problem.id])
            self._times[problem.id] += 1
        return before

    def add(self, parts: Sequence[str], groups: Sequence[Group], live: Sequence[bool]) -> None:
        """A round's groups, in the order of their places."""
        self.rounds += 1
        self._places.update(parts)
        self._groups += groups
        self.remember(parts, live)
        self._learnt += map(self._learner, parts, live)

    def rollout(self) -> Rollout:
        """All that was drawn, and what the step came to."""
        banked = self._learnt.count(self.step + 1)
        metrics = {
            "refill/rounds": self.rounds,
            "refill/prompts": len(self._groups),
            "refill/effective_batch": self._from_bank + self._learnt.count(self.step),
            "refill/from_bank": self._from_bank,
            "refill/bank": banked,
            "refill/lacking": self.missing.total(),
        }
        refilled = Refilled(tuple(self._learnt), dict(self._places))
        return Rollout(
            self.step,
            tuple(self._groups),
            {name: float(value) for name, value in metrics.items()},
            refilled,
        )

    def _size(self, part: str) -> int:
        missing, drawn, live = self.missing[part], self._drawn[part], self._live[part]
        most = missing + max(0, self._later.get(part, 0) - 1)
        if not drawn:
            return missing
        return min(-(-missing * drawn // live), most) if live else most

    def _learner(self, part: str, is_live: bool) -> int | None:
        """The step that learns from one more group of `part`."""
        if not is_live:
            return None
        if not self.missing[part]:
            return self.step + 1
        self.missing[part] -= 1
        return self.step
