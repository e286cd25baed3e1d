"""What a draft proposed and how much of it the policy took, counted in the engine."""

from collections.abc import Mapping
from dataclasses import dataclass

ACCEPTANCE = "sampler/draft_acceptance"
"""The metric: accepted tokens, of those proposed; `/1`, `/2`, ... are those of each place."""


@dataclass(frozen=True)
class DraftCounts:
    """Since the engine started: drafts made, tokens in them, and those accepted by their place.

    >>> DraftCounts(drafts=1000, proposed=2000, accepted=(810, 640))
    """

    drafts: int = 0
    proposed: int = 0
    accepted: tuple[int, ...] = ()

    def since(self, before: "DraftCounts") -> "DraftCounts":
        """What was counted after `before`."""
        earlier = before.accepted or (0,) * len(self.accepted)
        return DraftCounts(
            self.drafts - before.drafts,
            self.proposed - before.proposed,
            tuple(now - then for now, then in zip(self.accepted, earlier, strict=True)),
        )

    def metrics(self) -> Mapping[str, float]:
        """The shares accepted; empty where nothing was proposed.

        The first place is the policy's second token of a step, V3's measure.
        """
        if not self.proposed:
            return {}
        shares = {ACCEPTANCE: sum(self.accepted) / self.proposed}
        if len(self.accepted) > 1:
            places = enumerate(self.accepted, start=1)
            shares |= {f"{ACCEPTANCE}/{place}": count / self.drafts for place, count in places}
        return shares
