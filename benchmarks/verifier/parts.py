"""A scorer's word on some of the steps: sums are one task, what is concluded from them another."""

from collections.abc import Sequence

from grpo.eval.steps.cut import CLAIMS
from grpo.eval.steps.scorer import StepScorer, Thought
from grpo_data.world.checker import EQUATION


class Part:
    """The scores of the steps with a sum in them (`of_sums`), or of the others."""

    def __init__(self, scorer: StepScorer, *, of_sums: bool) -> None:
        self._scorer, self._of_sums = scorer, of_sums

    def score(self, thoughts: Sequence[Thought]) -> list[tuple[float, ...]]:
        """See the protocol."""
        found = zip(thoughts, self._scorer.score(thoughts), strict=True)
        return [self._some(thought.text, scores) for thought, scores in found]

    def _some(self, text: str, scores: Sequence[float]) -> tuple[float, ...]:
        pieces = (text[first:last] for first, last in CLAIMS.spans(text))
        return tuple(
            score
            for piece, score in zip(pieces, scores, strict=True)
            if bool(EQUATION.search(piece)) == self._of_sums
        )
