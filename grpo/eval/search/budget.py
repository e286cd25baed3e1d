"""Methods that choose among whole samples, at the cost that a search had.

A search costs so many tokens, which is seldom a whole number of samples. So a method is taken at a
mixture of two whole numbers that costs as much on average: exact, as its ends are.
"""

import math
from collections.abc import Callable

from grpo.errors import UserError
from grpo.eval.best_of import expected_best
from grpo.eval.extraction import same_answer
from grpo.eval.scaled import Table
from grpo.eval.votes import ballot, expected_majority

Credits = list[float]
"""A method's expected credit, a number a question."""


def at_budget(method: Callable[[int], Credits], samples: float, most: int) -> Credits:
    """What `method` is worth with `samples` a question, not a whole number: the mean of its worth
    with one less and one more, each as often as makes up the cost.

    Raises UserError where that is less than one sample or more than `most`.
    """
    if not 1 <= samples <= most:
        raise UserError(
            f"the search drew as many tokens as {samples:.1f} samples, and there are 1 to {most} "
            "to compare it with: draw more samples a question, or search with fewer beams"
        )
    low, high = math.floor(samples), math.ceil(samples)
    share = samples - low
    pairs = zip(method(low), method(high), strict=True)
    return [(1 - share) * below + share * above for below, above in pairs]


def best_of(table: Table, score: str) -> Callable[[int], Credits]:
    """Best-of-n by one of the table's scores."""
    rows = list(zip(table.correct, table.scores[score], strict=True))
    return lambda n: [expected_best([*map(float, right)], scores, n) for right, scores in rows]


def coverage(table: Table) -> Callable[[int], Credits]:
    """Whether any of n samples is right: the most that any choice is worth."""
    rows = [[*map(float, right)] for right in table.correct]
    return lambda n: [expected_best(row, row, n) for row in rows]


def majority(table: Table) -> Callable[[int], Credits]:
    """The answer that most of n samples give."""
    assert table.answers is not None, "a verdict that reads no answer has no majority"
    ballots = [
        ballot(row, [*map(float, right)], same_answer)
        for row, right in zip(table.answers, table.correct, strict=True)
    ]
    return lambda n: [float(expected_majority(votes)[n]) for votes in ballots]
