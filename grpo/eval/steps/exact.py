"""The tiny world's exact step checker as a process reward: perfect as far as equations go.

It knows the problem's solution. It does not see a thought that stops short of it, nor a
conclusion that does not follow: these have no equation in them.
"""

from collections.abc import Sequence

from grpo.errors import UserError
from grpo.eval.steps.cut import SUMS
from grpo.eval.steps.scorer import Thought
from grpo_data.world.checker import EQUATION, CheckedStep, check_steps

COLUMN = "steps"


class ExactSteps:
    """1 for a sentence whose equations are all true and asked for where they stand, else 0."""

    def score(self, thoughts: Sequence[Thought]) -> list[tuple[float, ...]]:
        """See the protocol. Raises UserError for a problem without the column `steps`."""
        return [self._scores(thought) for thought in thoughts]

    def _scores(self, thought: Thought) -> tuple[float, ...]:
        steps = thought.columns.get(COLUMN)
        if steps is None:
            raise UserError(
                f"the checker knows problems of the tiny world, which have a column {COLUMN!r}; "
                f"this one has {', '.join(thought.columns) or 'none'}: score by a model instead"
            )
        ends = [match.end() for match in EQUATION.finditer(thought.text)]
        checked = list(zip(ends, check_steps(thought.text, steps), strict=True))
        return tuple(
            _right([one for end, one in checked if first < end <= last])
            for first, last in SUMS.spans(thought.text)
        )


def _right(equations: Sequence[CheckedStep]) -> float:
    return float(bool(equations) and all(one.true and one.expected for one in equations))
