"""The tiny world's exact step checker as a process reward: perfect as far as sums go.

It knows the problem's solution. Beside the sums it looks at what is concluded from them: from too
few nothing follows, and no number that is the result of none. Which of the results was asked for
it does not know.
"""

import re
from collections.abc import Sequence

from grpo.errors import UserError
from grpo.eval.steps.cut import CLAIMS
from grpo.eval.steps.scorer import Thought
from grpo_data.world.checker import EQUATION, CheckedStep, check_steps

COLUMN = "steps"
_NUMBER = re.compile(r"\d+")


class ExactSteps:
    """1 or 0 for each sentence that says a number.

    One with equations is right where all are true and asked for where they stand. One without
    concludes: it is right after all of the problem's sums, if it ends on a result of theirs.
    """

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
        scores = []
        for first, last in CLAIMS.spans(thought.text):
            said = thought.text[first:last]
            own = [one for end, one in checked if first < end <= last]
            before = [one for end, one in checked if end <= first]
            scores.append(float(all(map(_right, own)) if own else _follows(said, before, steps)))
        return tuple(scores)


def _right(equation: CheckedStep) -> bool:
    return equation.true and equation.expected


def _follows(said: str, before: Sequence[CheckedStep], steps: Sequence[str]) -> bool:
    made = {one.text for one in before if _right(one)}
    results = {step.partition("=")[2] for step in steps}
    return made >= set(steps) and _NUMBER.findall(said)[-1] in results
