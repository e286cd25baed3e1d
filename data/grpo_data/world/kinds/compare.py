"""Comparisons along a line of people: so many more than, so many fewer than."""

from random import Random

from grpo_data.world.case import Case
from grpo_data.world.kinds.draw import chained, until_in_range
from grpo_data.world.steps import Ref, Step
from grpo_data.world.words import people, things


def draw(rng: Random) -> Case:
    """What the last of three has, or all of them together."""
    together = rng.random() < 0.5
    ops = rng.choices("+-", k=2)

    def line() -> tuple[Step, ...]:
        start = rng.randint(4, 20 if together else 40)
        steps = chained(rng, start, ops)
        total = (Step(start, "+", Ref(0)), Step(Ref(2), "+", Ref(1))) if together else ()
        return steps + total

    steps = until_in_range(line)
    a, b, c = people(rng, 3)
    (what,) = things(rng, 1)
    more_en = ["more" if op == "+" else "fewer" for op in ops]
    more_zh = ["多" if op == "+" else "少" for op in ops]
    x, y = steps[0].right, steps[1].right
    ask_en = "do they have together" if together else f"does {c.en} have"
    ask_zh = "他们一共" if together else c.zh
    sums_en = ("Two of them have {eq}.", "All have {eq}.") if together else ()
    sums_zh = ("两人有{eq}。", "三人有{eq}。") if together else ()
    whose_en, whose_zh = ("they have", "一共") if together else (f"{c.en} has", c.zh)
    return Case(
        "compare",
        steps,
        {
            "en": f"{a.en} has {steps[0].left} {what.many}. {b.en} has {x} {more_en[0]} than {a.en}. "
            f"{c.en} has {y} {more_en[1]} than {b.en}. How many {what.many} {ask_en}?",
            "zh": f"{a.zh}有{steps[0].left}个{what.zh}。{b.zh}比{a.zh}{more_zh[0]}{x}个。"
            f"{c.zh}比{b.zh}{more_zh[1]}{y}个。{ask_zh}有几个{what.zh}？",
        },
        {
            "en": (f"{b.en} has {{eq}}.", f"{c.en} has {{eq}}.", *sums_en),
            "zh": (f"{b.zh}有{{eq}}。", f"{c.zh}有{{eq}}。", *sums_zh),
        },
        {"en": f"So {whose_en} {{answer}}.", "zh": f"所以{whose_zh}有{{answer}}个。"},
    )
