"""Small word problems: somebody has things, gets some, parts with some."""

from random import Random

from grpo_data.world.case import Case
from grpo_data.world.kinds.draw import chained, until_in_range
from grpo_data.world.words import people, things

# op -> (event, thought) in English and in Chinese; {she} {n} {other} are filled in, {eq} later.
EVENTS = {
    "+": (
        ("{she} buys {n} more.", "{she} buys {n}, so {{eq}}.", "{ta}又买了{n}个。", "买了{n}个，{{eq}}。"),
        ("{she} finds {n} more.", "{she} finds {n}, so {{eq}}.", "{ta}又找到{n}个。", "找到{n}个，{{eq}}。"),
        ("{other} gives {her} {n}.", "{she} gets {n}, so {{eq}}.", "{other_zh}给{ta}{n}个。", "得到{n}个，{{eq}}。"),
    ),
    "-": (
        ("{she} gives {n} to {other}.", "{she} gives {n} away, so {{eq}}.", "{ta}给了{other_zh}{n}个。", "给了{n}个，{{eq}}。"),
        ("{she} loses {n}.", "{she} loses {n}, so {{eq}}.", "{ta}丢了{n}个。", "丢了{n}个，{{eq}}。"),
        ("{she} sells {n}.", "{she} sells {n}, so {{eq}}.", "{ta}卖了{n}个。", "卖了{n}个，{{eq}}。"),
    ),
}  # fmt: skip


def draw(rng: Random) -> Case:
    """A story of two to four events."""
    ops = rng.choices("+-", k=rng.choice((2, 2, 3, 4)))
    steps = until_in_range(lambda: chained(rng, rng.randint(5, 40), ops))
    who, other = people(rng, 2)
    (what,) = things(rng, 1)
    told = []
    for step in steps:
        words = {
            "she": who.she, "her": "her" if who.she == "She" else "him", "ta": who.ta,
            "other": other.en, "other_zh": other.zh, "n": step.right,
        }  # fmt: skip
        told.append([text.format(**words) for text in rng.choice(EVENTS[step.op])])
    event_en, thought_en, event_zh, thought_zh = zip(*told, strict=True)
    start = steps[0].left
    return Case(
        "story",
        steps,
        {
            "en": f"{who.en} has {start} {what.many}. {' '.join(event_en)} "
            f"How many {what.many} does {who.en} have now?",
            "zh": f"{who.zh}有{start}个{what.zh}。{''.join(event_zh)}{who.zh}现在有几个{what.zh}？",
        },
        {"en": thought_en, "zh": thought_zh},
        {
            "en": f"So {who.en} has {{answer}} {what.many}.",
            "zh": f"所以{who.zh}有{{answer}}个{what.zh}。",
        },
    )
