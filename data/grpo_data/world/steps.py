"""Steps of arithmetic that refer to one another, and what they come to.

Only whole numbers from 0 to 50 and the signs + - *: small enough for a tiny policy to get
every step right, long enough in chains that it has to write them down.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LIMIT = 50


@dataclass(frozen=True)
class Ref:
    """The result of an earlier step, by its position."""

    step: int

    def __str__(self) -> str:
        return f"#{self.step}"


@dataclass(frozen=True)
class Step:
    """`left op right`, where an operand is a number or an earlier step's result.

    >>> Step(Ref(0), "*", 2)
    """

    left: int | Ref
    op: str
    right: int | Ref

    def __str__(self) -> str:
        return f"{self.left}{self.op}{self.right}"


@dataclass(frozen=True)
class Equation:
    """A step with its numbers filled in.

    >>> str(Equation(37, "-", 9, 28))
    '37-9=28'
    """

    left: int
    op: str
    right: int
    result: int

    def __str__(self) -> str:
        return f"{self.left}{self.op}{self.right}={self.result}"

    @property
    def right_result(self) -> bool:
        return self.result == compute(self.left, self.op, self.right)


def compute(left: int, op: str, right: int) -> int:
    """`left op right` for op in + - *."""
    return {"+": left + right, "-": left - right, "*": left * right}[op]


def solve(steps: Sequence[Step], slips: Mapping[int, int] | None = None) -> tuple[Equation, ...]:
    """The equations the steps come to; `slips` adds an error to a step's result, and what
    follows builds on the wrong number, as a careless thinker's would."""
    slips = slips or {}
    done: list[Equation] = []

    def value(operand: int | Ref) -> int:
        return done[operand.step].result if isinstance(operand, Ref) else operand

    for position, step in enumerate(steps):
        left, right = value(step.left), value(step.right)
        result = compute(left, step.op, right) + slips.get(position, 0)
        done.append(Equation(left, step.op, right, result))
    return tuple(done)


def in_range(steps: Sequence[Step]) -> bool:
    """Whether every result stays between 0 and LIMIT."""
    return all(0 <= equation.result <= LIMIT for equation in solve(steps))
