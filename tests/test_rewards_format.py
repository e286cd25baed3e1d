"""R1's layout, told from everything that only looks like it."""

import any_text
import pytest
from hypothesis import given

from grpo_rewards import tags
from grpo_rewards.format import format
from grpo_rewards.verdict import Sample

GOOD = "<think>3 + 4 = 7</think><answer>7</answer>"


def pays(text: str, prompt: str = "What is 3 + 4?", variant: str = "r1") -> float | None:
    return format(variant=variant).judge(Sample(prompt, text)).value


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


VARIANTS = {
    "think": {
        "pays": [
            "<think>3 + 4 = 7</think> It is 7.",
            " <think>3 + 4\n= 7</think>\n\n7\n",
            "<think>a < b, b > c</think>so 1 < 2 > 0 and \\boxed{7}",
            "<think>think of an answer</think>I think the answer is 7",
        ],
        "refuses": [
            "7",
            "<think>3 + 4 = 7</think>",
            "<think>3 + 4 = 7</think> \u200b\n",
            "<think> </think>7",
            "<think>3 + 4 = 7 It is 7.",
            "So: <think>3 + 4 = 7</think>7",
            GOOD,
            "<think>3 + 4</think>7<think>",
            "<think>3 + 4</think>7</think>",
            "<think>3</think><think>4</think>7",
            "<think><think>3</think>4</think>7",
            "<think>3 <answer>7</answer></think>7",
            "<think>3 + 4</think>7 <Answer>7</Answer>",
            "<think>3 + 4</think>7 < answer >",
            "<think>3 + 4</think>\uff1canswer\uff1e7\uff1c/answer\uff1e",
            "<think>3 + 4</think>\u3008answer\u30097",
            "</think>7",
        ],
    },
    "boxed": {
        "pays": [
            "<think>3 + 4 = 7</think>\\boxed{7}",
            "<think>3 + 4 = 7</think>The answer is $\\boxed{\\frac{7}{1}}$.",
            "<think>so \\boxed{7}</think>\\[\\boxed{7}\\]",
            "<think>三加四</think>**答案是 $\\boxed{七}$。**",
            "<think>a set</think>\\boxed{\\{1, 2\\}}",
        ],
        "refuses": [
            "\\boxed{7}",
            "<think>3 + 4 = 7</think>7",
            "<think>\\boxed{7}</think>7",
            "<think>3 + 4 = 7</think>\\boxed{7} or \\boxed{8}",
            "<think>3 + 4 = 7</think>\\boxed{7}, \\boxed{8}",
            "<think>3 + 4 = 7</think>\\boxed{\\boxed{7}}",
            "<think>3 + 4 = 7</think>\\boxed{7} and that is that",
            "<think>3 + 4 = 7</think>\\boxed{7} {8}",
            "<think>3 + 4 = 7</think>\\boxed{7}8",
            "<think>3 + 4 = 7</think>\\boxed{7",
            "<think>3 + 4 = 7</think>\\boxed{7}}",
            "<think>3 + 4 = 7</think>\\boxed 7",
            "<think>3 + 4 = 7</think>\\boxed{}",
            "<think>3 + 4 = 7</think>\\boxed{ \\, }",
            "<think>3 + 4 = 7</think>\\boxed{{}}",
            "<think>3 + 4 = 7</think><answer>\\boxed{7}</answer>",
            "<think> </think>\\boxed{7}",
            "<think>3 + 4</think></think>\\boxed{7}",
        ],
    },
    "answer": {
        "pays": ["<answer>7</answer>", "\n<answer>\n7 < 8\n</answer> "],
        "refuses": [
            "7",
            "",
            "<answer></answer>",
            "<answer> \u200b</answer>",
            "<answer>7",
            "7</answer>",
            "</answer>7<answer>",
            "It is <answer>7</answer>",
            "<answer>7</answer>!",
            "<answer>7</answer><answer>8</answer>",
            "<answer><answer>7</answer></answer>",
            "<answer><think>7</think></answer>",
            "<ANSWER>7</ANSWER>",
            "\uff1canswer\uff1e7\uff1c/answer\uff1e",
            GOOD,
        ],
    },
}


@pytest.mark.parametrize(
    ("variant", "text", "value"),
    [
        (variant, text, value)
        for variant, cases in VARIANTS.items()
        for verdict, value in (("pays", 1.0), ("refuses", 0.0))
        for text in cases[verdict]
    ],
)
def test_each_variant_pays_its_layout_alone(variant: str, text: str, value: float) -> None:
    assert pays(text, variant=variant) == value


def test_the_default_is_r1_and_an_unknown_variant_is_one_sentence() -> None:
    assert pays(GOOD, variant="r1") == pays(GOOD) == 1.0
    with pytest.raises(ValueError, match="no format variant 'r2'; there are r1, think, boxed, ans"):
        format(variant="r2")


@pytest.mark.parametrize("variant", ["r1", *VARIANTS])
@any_text.quickly
@given(text=any_text.any_text, prompt=any_text.any_text)
def test_any_text_has_a_verdict(variant: str, text: str, prompt: str) -> None:
    judged = format(variant=variant).judge(Sample(prompt, text))
    assert (judged.value, judged.outcome) in ((1.0, "correct"), (0.0, "wrong"))


@any_text.quickly
@given(thought=any_text.any_text, answer=any_text.any_text)
def test_what_is_paid_is_what_was_written(thought: str, answer: str) -> None:
    """A layout is paid for any two texts in the blocks, unless one is blank or has a tag in it."""
    blocks = thought + "|" + answer
    is_plain = not any(tag in blocks for tag in ("<think>", "</think>", "<answer>", "</answer>"))
    is_filled = tags.is_filled(thought) and tags.is_filled(answer)
    text = f"<think>{thought}</think><answer>{answer}</answer>"
    assert pays(text) == (1.0 if is_plain and is_filled else 0.0)


def test_a_prompt_that_opens_the_thought_counts_as_its_first_tag() -> None:
    prompt = "User: 3 + 4?\nAssistant: <think>\n"
    assert pays("3 + 4 = 7</think><answer>7</answer>", prompt) == 1.0
    assert pays(GOOD, prompt) == 0.0
    assert pays("3 + 4 = 7</think><answer>7</answer>") == 0.0
    assert pays("3 + 4 = 7</think>7", prompt, "think") == 1.0
    assert pays("<think>3 + 4 = 7</think>7", prompt, "think") == 0.0
    assert pays("<answer>7</answer>", prompt, "answer") == 0.0


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (GOOD, "<answer>7</answer>"),
        ("no tags at all", "no tags at all"),
        ("<think>cut off", ""),
        ("a</think>b</think>c", "c"),
        ("<think>a</think>b<think>c", ""),
    ],
)
def test_what_a_reader_is_shown(text: str, shown: str) -> None:
    assert tags.after_thought(text) == shown
    assert tags.after_thought("a</think>b", prefix=tags.THINK) == "b"
    assert tags.after_thought("a", prefix=tags.THINK) == ""
