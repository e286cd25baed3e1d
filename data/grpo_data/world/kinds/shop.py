"""Two prices, two amounts, one bill."""

from random import Random

from grpo_data.world.case import Case
from grpo_data.world.kinds.draw import until_in_range
from grpo_data.world.steps import Ref, Step
from grpo_data.world.words import things


def draw(rng: Random) -> Case:
    """What some of this and some of that cost together."""

    def bill() -> tuple[Step, ...]:
        first = Step(rng.randint(2, 9), "*", rng.randint(2, 6))
        second = Step(rng.randint(2, 9), "*", rng.randint(2, 6))
        return first, second, Step(Ref(0), "+", Ref(1))

    steps = until_in_range(bill)
    (p, m), (q, n) = ((step.left, step.right) for step in steps[:2])
    this, that = things(rng, 2)
    return Case(
        "shop",
        steps,
        {
            "en": f"One {this.one} costs {p} dollars and one {that.one} costs {q} dollars. "
            f"How much do {m} {this.many} and {n} {that.many} cost?",
            "zh": f"一个{this.zh}{p}元，一个{that.zh}{q}元。买{m}个{this.zh}和{n}个{that.zh}要多少元？",
        },
        {
            "en": (
                f"The {this.many} cost {{eq}}.",
                f"The {that.many} cost {{eq}}.",
                "Together {eq}.",
            ),
            "zh": (f"{this.zh}要{{eq}}。", f"{that.zh}要{{eq}}。", "一共{eq}。"),
        },
        {"en": "So the cost is {answer} dollars.", "zh": "所以要{answer}元。"},
    )
