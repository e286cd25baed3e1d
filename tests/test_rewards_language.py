"""Language consistency: the words that count, counted by hand."""

import pytest

from grpo_rewards.language import Words, count_words, language_consistency
from grpo_rewards.verdict import Sample


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("first we add three", Words(0, 4, 0)),
        ("先算三加四", Words(5, 0, 0)),
        ("先算 three plus 四", Words(3, 2, 0)),
        ("we don't stop", Words(0, 3, 0)),
        ("3 + 4 = 7, ok?", Words(0, 1, 0)),
        ("设 x 为 7", Words(2, 0, 0)),  # a one-letter name is a symbol
        ("so $x^2 + yz$ is \\(ab\\) and \\[cd\\] big", Words(0, 4, 0)),  # so, is, and, big
        ("`code here` or\n```python\nprint(1)\n``` end", Words(0, 2, 0)),  # or, end
        ("\\frac{1}{2} of it", Words(0, 2, 0)),
        ("привет world", Words(0, 1, 1)),
        ("costs $5 and then $7", Words(0, 3, 0)),
        ("$先算三加四$", Words(5, 0, 0)),  # prose is not hidden by dollars
        ("$first we add$", Words(0, 3, 0)),
        ("1 2 3 + = %", Words(0, 0, 0)),
    ],
)
def test_words_by_script(text: str, words: Words) -> None:
    assert count_words(text) == words


def judged(thought: str, prompt: str = "", **columns: object) -> tuple[float | None, str]:
    text = f"<think>{thought}</think><answer>答案 seven words of another kind</answer>"
    one = language_consistency.judge(Sample(prompt, text, columns))
    return one.value, one.outcome


def test_the_share_of_the_column_s_language() -> None:
    assert judged("先算 three plus 四", language="zh") == (3 / 5, "correct")
    assert judged("先算 three plus 四", language="en") == (2 / 5, "wrong")
    assert judged("first add", language="English") == (1.0, "correct")


def test_without_a_column_the_prompt_decides() -> None:
    assert judged("先算三加四", "三加四是多少\uff1f") == (1.0, "correct")
    assert judged("先算三加四", "What is three plus four?") == (0.0, "wrong")


def test_a_thought_without_words_is_not_consistent() -> None:
    assert judged("3 + 4 = 7", language="en") == (0.0, "unparseable")


def test_an_unknown_language_is_skipped() -> None:
    assert judged("first add", language="fr") == (None, "skipped")


def test_untagged_text_is_all_thought() -> None:
    one = language_consistency.judge(Sample("", "first 先", {"language": "en"}))
    assert one.value == 1 / 2
