"""R1's layout, told from everything that only looks like it."""

import pytest

from grpo_rewards import tags
from grpo_rewards.format import format
from grpo_rewards.verdict import Sample

GOOD = "<think>3 + 4 = 7</think><answer>7</answer>"


def pays(text: str, prompt: str = "What is 3 + 4?") -> float | None:
    return format.judge(Sample(prompt, text)).value


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "  <think> 3 + 4 = 7 </think>\n\n<answer> 7 </answer>\n",
        "<think>先算三加四</think> <answer>七</answer>",
        "<think>a < b and b > c</think><answer>$x<3$</answer>",
    ],
)
def test_pays_exactly_the_layout(text: str) -> None:
    assert pays(text) == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "\\boxed{7}",
        "<think></think><answer>7</answer>",
        "<think> \n\u200b\x00</think><answer>7</answer>",
        "<think>3 + 4 = 7</think><answer></answer>",
        "<think>3 + 4 = 7</think><answer> \u00a0</answer>",
        "<think>3 + 4 = 7</think>",
        "<answer>7</answer>",
        "<answer>7</answer><think>3 + 4 = 7</think>",
        "<think>3 + 4 = 7<answer>7</answer></think>",
        "<think>3 + 4 = 7</think><answer>7",
        "<think>3 + 4 = 7<answer>7</answer>",
        GOOD + " and that is that",
        "Well: " + GOOD,
        "<think>3 + 4 = 7</think> so <answer>7</answer>",
        GOOD + GOOD,
        "<think>3</think><think>4</think><answer>7</answer>",
        "<think><think>3</think></think><answer>7</answer>",
        "<think>3 + 4</think><answer>7</answer><answer>8</answer>",
        "<think>3 + 4</think><answer><answer>7</answer></answer>",
        "<think>3 + 4</think></think><answer>7</answer>",
        "<THINK>3 + 4</THINK><ANSWER>7</ANSWER>",
        "<think >3 + 4</think ><answer>7</answer>",
        "</think>3 + 4<think><answer>7</answer>",
        "<think>3 + 4</think></answer>7<answer>",
    ],
)
def test_refuses_everything_else(text: str) -> None:
    assert pays(text) == 0.0


def test_a_prompt_that_opens_the_thought_counts_as_its_first_tag() -> None:
    prompt = "User: 3 + 4?\nAssistant: <think>\n"
    assert pays("3 + 4 = 7</think><answer>7</answer>", prompt) == 1.0
    assert pays(GOOD, prompt) == 0.0
    assert pays("3 + 4 = 7</think><answer>7</answer>") == 0.0


def test_parse_gives_the_stripped_blocks() -> None:
    assert tags.parse(" <think> a\nb </think>\n<answer> 7 </answer> ") == tags.Tagged("a\nb", "7")
    assert tags.parse("a</think><answer>7</answer>", prefix=tags.THINK) == tags.Tagged("a", "7")


@pytest.mark.parametrize(
    ("text", "thought"),
    [
        (GOOD, "3 + 4 = 7"),
        ("no tags at all", "no tags at all"),
        ("<think>cut off", "cut off"),
        ("opened by the prompt</think> rest", "opened by the prompt"),
    ],
)
def test_the_thought_of_any_text(text: str, thought: str) -> None:
    assert tags.thought_of(text) == thought
