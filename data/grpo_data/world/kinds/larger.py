"""Which of two sums is larger, and how large."""

from random import Random

from grpo_data.world.case import Case
from grpo_data.world.kinds.draw import until_in_range
from grpo_data.world.steps import LIMIT, Step, solve


def draw(rng: Random) -> Case:
    """Two sums that differ."""

    def side() -> Step:
        op = rng.choice("++--*")
        if op == "*":
            return Step(rng.randint(2, 9), op, rng.randint(2, 6))
        left = rng.randint(10, LIMIT - 10)
        return Step(left, op, rng.randint(2, left if op == "-" else LIMIT - left))

    def pair() -> tuple[Step, ...]:
        while True:
            steps = (side(), side())
            left, right = (equation.result for equation in solve(steps))
            if left != right:
                return steps

    steps = until_in_range(pair)
    return Case(
        "larger",
        steps,
        {
            "en": f"Which number is larger, {steps[0]} or {steps[1]}?",
            "zh": f"{steps[0]}和{steps[1]}，较大的数是多少？",
        },
        {
            "en": ("The first is {eq}.", "The second is {eq}."),
            "zh": ("第一个是{eq}。", "第二个是{eq}。"),
        },
        {
            "en": "{high} is larger than {low}, so the answer is {answer}.",
            "zh": "{high}比{low}大，所以答案是{answer}。",
        },
    )
