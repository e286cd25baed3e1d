"""Language consistency: the words that count, counted by hand."""

import time

import any_text
import pytest
from hypothesis import given

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
        ("\uff11\uff12 \uff0b \u2462 \u00bd x\u00b2 \u03c0r\u00b2 \u221e", Words(0, 0, 0)),
        ("\uff54\uff48\uff52\uff45\uff45 plus 4", Words(0, 2, 0)),  # full-width letters are letters
        ("so \U0001f600\U0001f389 \U0001f1e8\U0001f1f3 ok \u2714", Words(0, 2, 0)),
        ("これは三です", Words(1, 0, 5)),  # kana by the letter, as Han is
        ("ไทย 三", Words(1, 0, 3)),
        ("삼 더하기 사는", Words(0, 0, 2)),  # a one-letter word is a symbol in any script
        ("na\u00efve cafe\u0301 t\u1ea1o", Words(0, 3, 0)),
        ("ab\u00d7cd", Words(0, 2, 0)),  # a times sign is no letter
        ("\\begin{align} x &= 3 \\\\ y_{max} \\end{align} done", Words(0, 1, 0)),
        ("three个apples", Words(1, 2, 0)),
        ("```\nif x: return total\n", Words(0, 0, 0)),  # a fence that is never closed
        ("```\n# 先算\nx = a + b\n``` end", Words(0, 1, 0, coded=2)),
        ("the `数` of", Words(0, 2, 0, coded=1)),
        ("\\(\\text{先算三}\\)", Words(3, 0, 0)),
        ("\\[ \\text{if we add the two} \\]", Words(0, 5, 0)),
        ("costs $5 先 $7 ok", Words(1, 2, 0)),
    ],
)
def test_words_by_script(text: str, words: Words) -> None:
    assert count_words(text) == words


def judged(thought: str, prompt: str = "", **columns: object) -> tuple[float | None, str]:
    text = f"<think>{thought}</think><answer>答案 seven words of another kind</answer>"
    one = language_consistency().judge(Sample(prompt, text, columns))
    return one.value, one.outcome


def test_the_share_of_the_column_s_language() -> None:
    assert judged("先算 three plus 四", language="zh") == (3 / 5, "correct")
    assert judged("先算 three plus 四", language="en") == (2 / 5, "wrong")
    assert judged("first add", language="English") == (1.0, "correct")


def test_without_a_column_the_prompt_decides() -> None:
    assert judged("先算三加四", "三加四是多少\uff1f") == (1.0, "correct")
    assert judged("先算三加四", "What is three plus four?") == (0.0, "wrong")


def test_the_question_goes_before_the_prompt_around_it() -> None:
    prompt = "<|user|>Think step by step, then answer in tags. 三加四是多少\uff1f<|assistant|>"
    assert judged("先算三加四", prompt) == (0.0, "wrong")
    assert judged("先算三加四", prompt, question="三加四是多少\uff1f") == (1.0, "correct")
    assert judged("先算", prompt, question="三加四", language="en") == (0.0, "wrong")


def test_code_hides_nothing_and_pays_nothing() -> None:
    assert judged("then ```先算三加四得七```", language="en") == (1 / 8, "wrong")
    assert judged("first we add ```先算三加四得七```", language="zh") == (0.0, "wrong")
    assert judged("先算 ```first we add three```", language="zh") == (1.0, "correct")


@pytest.mark.parametrize(("named", "value"), [("zh-CN", 1.0), ("ZH_hans", 1.0), (" en-GB", 0.0)])
def test_a_language_goes_by_many_names(named: str, value: float) -> None:
    assert judged("先算三加四", language=named)[0] == value


def test_another_column_one_language_for_all_and_the_whole_completion() -> None:
    def pays(text: str, columns: dict[str, str], **knobs: str) -> float | None:
        return language_consistency(**knobs).judge(Sample("三加四", text, columns)).value  # type: ignore[arg-type]

    assert pays("first 先", {"lang": "en"}, column="lang") == 1 / 2
    assert pays("first add 先", {"language": "en"}, column="lang") == 1 / 3  # the prompt is Chinese
    assert pays("first add 先", {"language": "zh"}, language="en") == 2 / 3
    tagged = "<think>first 先</think><answer>七个 seven</answer>"
    assert pays(tagged, {}, part="thought") == 1 / 2
    assert pays(tagged, {}, part="completion") == 3 / 5  # 先 七 个 of first 先 七 个 seven


def test_a_thought_without_words_is_not_consistent() -> None:
    assert judged("3 + 4 = 7", language="en") == (0.0, "unparseable")
    assert judged("", language="en") == judged(" \u200b\n", language="zh") == (0.0, "unparseable")
    assert judged("`x = 1`", language="en") == judged("$x$", language="en") == (0.0, "unparseable")


def test_where_a_bare_number_is_a_fair_reply_it_pays_as_much_as_words_do() -> None:
    reward = language_consistency(part="completion", wordless=1.0)
    said = ("34", "34 is larger", "34 更大")
    judged = [reward.judge(Sample("34 or 17?", text, {"language": "en"})) for text in said]
    assert [one.value for one in judged] == [1.0, 1.0, 0.0]
    assert judged[0].outcome == "unparseable"  # paid, and reported for what it is


def test_no_worth_outside_of_nought_to_one() -> None:
    with pytest.raises(ValueError, match=r"wordless must be from 0 to 1, got 1\.5"):
        language_consistency(wordless=1.5)


def test_an_unknown_language_is_skipped() -> None:
    assert judged("first add", language="fr") == (None, "skipped")


def test_a_question_without_words_has_no_language() -> None:
    assert judged("first add", "3 + 4 = ?") == (None, "skipped")
    assert judged("first add", "x", question="привет") == (None, "skipped")


def test_untagged_text_is_all_thought() -> None:
    one = language_consistency().judge(Sample("", "first 先", {"language": "en"}))
    assert one.value == 1 / 2


@pytest.mark.parametrize("language", ["en", "zh", None])
@any_text.quickly
@given(text=any_text.any_text, prompt=any_text.any_text)
def test_any_text_has_a_share(language: str | None, text: str, prompt: str) -> None:
    one = language_consistency().judge(Sample(prompt, text, {"language": language}))
    assert one.value is None or 0.0 <= one.value <= 1.0
    assert (one.value is None) == (one.outcome == "skipped")
    assert language is None or one.value is not None


HOSTILE = [
    "\u0301\u0323",
    "a",
    "$ab",
    "$ab ",
    "```",
    "`",
    "\\(",
    "\\[",
    "\\begin ",
    "_{",
    "ab  ,",
    "<think>",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_is_linear_in_the_text(piece: str) -> None:
    """Quadratic would be a thousand times the time for a thousand times the text: minutes here."""
    text = piece * (500_000 // len(piece))
    started = time.process_time()
    language_consistency().judge(Sample("", text, {"language": "en"}))
    assert time.process_time() - started < 20
