"""What counts as the final answer: the first table of docs/answers.md, row by row."""

import pytest

from grpo_rewards.extract import (
    last_boxed,
    last_number,
    lenient_answer,
    reference_answer,
    strict_answer,
)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>a</think><answer> 7 </answer>", "7"),
        ("<think>a</think><answer>so \\boxed{7}</answer>", "7"),
        ("<answer>7</answer>", "7"),
        ("<think>a</think><answer>7</answer> trailing words", "7"),
        ("<answer>3 + 4 = 7. The answer is 7.</answer>", "7."),
        ("<answer>The answer is 6. So the answer is 7</answer>", "7"),
        ("<answer>The answer is 7. It is odd.</answer>", "The answer is 7. It is odd."),
        ("<answer>6 or the answer is 7</answer>", "6 or the answer is 7"),
        ("<answer>先算。所以答案是：七</answer>", "七"),
        ("<think>a</think><answer>7</answer><answer>8</answer>", None),
        ("<think>a</think><answer>7 <answer>8</answer></answer>", None),
        ("<think>a</think><answer>7", None),
        ("<think>a</think>7</answer>", None),
        ("<think>a <answer>7</answer></think>", None),
        ("<think>a <answer>7</answer>", None),
        ("<answer>7</answer></think>", None),
        ("<answer>7 <think>x</answer>", None),
        ("<think>a</think><answer>7 \\boxed{8}</answer></answer>", None),
        ("<think>\\boxed{6}</think> so \\boxed{7}", "7"),
        ("<think>\\boxed{7}</think> that is it", None),
        ("<think>so \\boxed{7}", None),
        ("so \\boxed{6}, no, \\boxed{7}.", "7"),
        ("it is 7", None),
        ("", None),
    ],
)
def test_strict(text: str, answer: str | None) -> None:
    assert strict_answer(text) == answer


def test_strict_behind_an_open_thought() -> None:
    assert strict_answer("a</think><answer>7</answer>", prefix="<think>") == "7"
    assert strict_answer("<answer>7</answer>", prefix="<think>") is None
    assert strict_answer("\\boxed{7}", prefix="<think>") is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>3 + 4 = 7</think> I guess", "7"),
        ("<answer>7</answer><answer>8</answer>", "8"),
        ("\\boxed{7}, see page 12", "7"),
        ("nothing here", None),
        ("odd", "odd"),
        ("<answer>\\sqrt{2}</answer>", "\\sqrt{2}"),
        ("<answer>7</answer> on page 12", "7"),
        ("<answer>It has 7 of them</answer> on page 12", "7"),
        ("so we take $\\sqrt{2}$.", "\\sqrt{2}"),
        ("Here is \\(x^2\\), of degree 2", "2"),
        ("Answer: 41 was a guess.\nAnswer: 42", "42"),
        ("The final answer is $(1, 2)$. I hope it is correct.", "$(1, 2)$"),
        ("The answer is 3.14 because of page 9", "3.14"),
        ("答案：每人 7 个。共 2 人", "7"),
        ("3 and 4, therefore 3/4 of it", "3/4"),
    ],
)
def test_lenient(text: str, answer: str | None) -> None:
    assert lenient_answer(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("a \\boxed{1} then words \\boxed{2}", "2"),
        ("\\boxed{-2} \\quad \\text{and} \\quad \\boxed{1}", "-2, 1"),
        ("$\\boxed{1}$, $\\boxed{2}$ and $\\boxed{3}$", "1, 2, 3"),
        ("\\boxed{3} or \\boxed{4}", "3, 4"),
        ("\\fbox{7}", "7"),
        ("\\boxed{1} papers and \\boxed{2} bins", "1, 2"),
        ("\\boxed{1} no no \\boxed{2}", "2"),
        ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("\\boxed{\\{1,2\\}}", "\\{1,2\\}"),
        ("\\boxed{\\boxed{5}}", "5"),
        ("\\boxed{}", ""),
        ("\\boxed{5} but \\boxed{never closed", None),
        ("\\boxed{" + "9" * 5000 + "}", None),
    ],
)
def test_boxes(text: str, answer: str | None) -> None:
    assert last_boxed(text) == answer


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("from 3 to 12.", "12"),
        ("it is -5", "-5"),
        ("10-5", "5"),
        ("costs $1,234.50!", "1,234.50"),
        ("a half, .5", ".5"),
        ("so 3/4 of it", "3/4"),
        ("thus \\frac{3}{4}", "\\frac{3}{4}"),
        ("up 12 %", "12 %"),
        ("一共15个", "15"),
        ("no number", None),
    ],
)
def test_last_number(text: str, number: str | None) -> None:
    assert last_number(text) == number


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        ("18", "18"),
        ("She makes 9 * 2 = 18.\n#### 18", "18"),
        ("so there are $\\boxed{2}$ asymptotes", "2"),
        ("  x^2 ", "x^2"),
    ],
)
def test_reference(reference: str, answer: str) -> None:
    assert reference_answer(reference) == answer
