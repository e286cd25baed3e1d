"""Drawing chains of steps whose results stay in range."""

from collections.abc import Callable, Sequence
from random import Random

from grpo_data.world.steps import LIMIT, Ref, Step, in_range, solve


def until_in_range(draw: Callable[[], tuple[Step, ...]]) -> tuple[Step, ...]:
    """The first drawn steps whose results all stay in range."""
    while True:
        steps = draw()
        if in_range(steps):
            return steps


def chained(rng: Random, start: int, ops: Sequence[str]) -> tuple[Step, ...]:
    """Steps that each work on the result before; the operand is drawn to fit the range."""
    steps: list[Step] = []
    value = start
    for op in ops:
        left = Ref(len(steps) - 1) if steps else start
        steps.append(Step(left, op, _operand(rng, op, value)))
        value = solve(steps)[-1].result
    return tuple(steps)


def _operand(rng: Random, op: str, value: int) -> int:
    if op == "+":
        return rng.randint(2, max(2, min(25, LIMIT - value)))
    if op == "-":
        return rng.randint(1, max(1, min(25, value - 1)))
    return rng.randint(2, max(2, min(5, LIMIT // max(value, 1))))
