"""Chains of arithmetic: start with a number, do one thing after another to it."""

from random import Random

from grpo_data.world.case import Case
from grpo_data.world.kinds.draw import chained, until_in_range
from grpo_data.world.steps import Step

FRAMES_EN = (
    ("Start with {start}. ", "What do you get?"),
    ("Take the number {start}. ", "What is the result?"),
    ("I think of {start}. ", "Which number do I have now?"),
)
FRAMES_ZH = (
    ("从{start}开始，", "结果是多少？"),
    ("有一个数是{start}，", "最后得到多少？"),
    ("我想到{start}，", "现在是多少？"),
)
FIRST_EN, LATER_EN = (
    ("First, {eq}.", "I begin: {eq}."),
    ("Then {eq}.", "Next, {eq}.", "After that {eq}."),
)
FIRST_ZH, LATER_ZH = ("先算{eq}。", "首先{eq}。"), ("再算{eq}。", "然后{eq}。", "接着{eq}。")


def draw(rng: Random) -> Case:
    """A chain of two to four steps."""
    ops = rng.choices("+-*", weights=(5, 5, 2), k=rng.choice((2, 3, 3, 4)))
    steps = until_in_range(lambda: chained(rng, rng.randint(3, 40), ops))
    start = steps[0].left
    head_en, tail_en = rng.choice(FRAMES_EN)
    head_zh, tail_zh = rng.choice(FRAMES_ZH)
    doing_en = ", then ".join(_en(rng, step) for step in steps)
    doing_zh = "，再".join(_zh(step) for step in steps)
    return Case(
        "chain",
        steps,
        {
            "en": head_en.format(start=start) + doing_en[0].upper() + doing_en[1:] + ". " + tail_en,
            "zh": head_zh.format(start=start) + doing_zh + "。" + tail_zh,
        },
        {
            "en": (rng.choice(FIRST_EN), *(rng.choice(LATER_EN) for _ in steps[1:])),
            "zh": (rng.choice(FIRST_ZH), *(rng.choice(LATER_ZH) for _ in steps[1:])),
        },
        {"en": "So the result is {answer}.", "zh": "所以结果是{answer}。"},
    )


def _en(rng: Random, step: Step) -> str:
    if step.op == "*" and step.right == 2:
        return "double it"
    words = {"+": ("add {}",), "-": ("take away {}", "subtract {}"), "*": ("multiply by {}",)}
    return rng.choice(words[step.op]).format(step.right)


def _zh(step: Step) -> str:
    return {"+": "加上{}", "-": "减去{}", "*": "乘以{}"}[step.op].format(step.right)
