"""Brevity is paid for right answers alone, and overlong completions as DAPO punishes them."""

import any_text
import pytest
from hypothesis import given

from grpo_rewards.length import length, soft_overlong
from grpo_rewards.verdict import Judged, Sample

RIGHT = "<think>3 + 4 = 7</think><answer>7</answer>"
GOLD = {"answer": "7"}


def of_tokens(n: int, text: str = RIGHT) -> Sample:
    return Sample("3 + 4?", text, GOLD, token_ids=[5] * n)


@pytest.mark.parametrize(
    ("n", "value"),
    [
        (0, 1.0),
        (50, 1.0),  # 1/2 + (100 - 50) / (2 * 50)
        (75, 0.75),  # 1/2 + 25 / 100
        (100, 0.5),
        (140, 0.1),  # 1/2 - 40 / 100
        (150, 0.0),
        (10_000, 0.0),
    ],
)
def test_a_right_answer_is_paid_by_its_length(n: int, value: float) -> None:
    judged = length(target=100, window=50).judge(of_tokens(n))
    assert judged.value == pytest.approx(value)
    assert judged.outcome == ("correct" if value else "wrong")


def test_the_paper_s_slope_and_the_default_window() -> None:
    rule = length(target=1667, window=1667)
    gap = rule.judge(of_tokens(1000)).value - rule.judge(of_tokens(1001)).value  # type: ignore[operator]
    assert gap == pytest.approx(0.0003, rel=1e-3)
    assert length(target=100).judge(of_tokens(150)).value == pytest.approx(0.25)  # 1/2 - 50/200


@pytest.mark.parametrize(
    ("text", "judged"),
    [
        ("<think>3 + 4 = 8</think><answer>8</answer>", Judged(0.0, "wrong")),
        (
            "<think>3 + 4 = 7</think><answer>7</answer><answer>8</answer>",
            Judged(0.0, "unparseable"),
        ),
        ("<think></think>", Judged(0.0, "unparseable")),
        ("", Judged(0.0, "unparseable")),
        (" ", Judged(0.0, "unparseable")),
        ("7", Judged(0.0, "unparseable")),
    ],
)
def test_nothing_short_of_right_is_paid(text: str, judged: Judged) -> None:
    assert length(target=100).judge(of_tokens(1, text)) == judged


def test_a_row_without_reference_is_skipped() -> None:
    sample = Sample("q", RIGHT, {"answer": None}, token_ids=[1])
    assert length(target=100).judge(sample) == Judged(None, "skipped")


def test_algebra_is_left_to_a_worker() -> None:
    rule = length(target=100, window=50)
    sample = Sample("q", "\\boxed{(x+1)^2}", {"answer": "x^2+2x+1"}, token_ids=[5] * 75)
    assert rule.quick(sample) is None and rule.full is not None
    rule.prepare()
    assert rule.judge(sample) == Judged(0.75, "correct")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (RIGHT, 0.75),
        ("<think>3 + 4 = 8</think><answer>8</answer>", 0.75),  # who is right is not asked
        ("def f(): pass", 0.75),
        ("<think>3 + 4</think>", 0.0),
        ("<think>3 + 4</think> \u200b", 0.0),
        ("<think>3 + 4", 0.0),
        ("", 0.0),
        (" \n", 0.0),
    ],
)
def test_any_shown_answer_is_paid_where_another_reward_judges_it(text: str, value: float) -> None:
    rule = length(target=100, window=50, only_correct=False)
    assert rule.judge(Sample("q", text, {}, token_ids=[5] * 75)).value == value


def test_without_token_ids_words_and_characters_count() -> None:
    sample = Sample("q", "先算 three plus four = 7.", {})  # 先 算 three plus four = 7 .
    assert length(target=8, only_correct=False).judge(sample).value == 0.5
    assert soft_overlong(max_tokens=8, buffer=4).judge(sample).value == -1.0
    assert soft_overlong(max_tokens=10, buffer=4).judge(sample).value == -0.5


def test_soft_overlong_is_trl_s() -> None:
    trl = pytest.importorskip("trl.rewards")
    for max_tokens, buffer in ((20, 5), (20, 20), (20, 0), (1, 1)):
        rule = soft_overlong(max_tokens=max_tokens, buffer=buffer)
        theirs = trl.get_soft_overlong_punishment(max_tokens, buffer)
        ours = [rule.judge(of_tokens(n)).value for n in range(30)]
        assert ours == theirs(completion_ids=[[5] * n for n in range(30)])


@pytest.mark.parametrize(
    ("n", "judged"),
    [
        (16384, Judged(0.0, "correct")),
        (18432, Judged(-0.5, "wrong")),  # (16384 - 18432) / 4096
        (20480, Judged(-1.0, "wrong")),
        (20481, Judged(-1.0, "wrong")),
    ],
)
def test_soft_overlong_at_dapo_s_numbers(n: int, judged: Judged) -> None:
    assert soft_overlong(max_tokens=20480, buffer=4096).judge(of_tokens(n, "")) == judged


@pytest.mark.parametrize(
    ("make", "knobs", "sentence"),
    [
        (length, {"target": 0}, "target and window must be 1 or more, got 0 and 0"),
        (length, {"target": 5, "window": 0}, "got 5 and 0"),
        (soft_overlong, {"max_tokens": 0, "buffer": 0}, "must be 1 or more .* got 0 and 0"),
        (soft_overlong, {"max_tokens": 5, "buffer": 6}, "lie in 0 to max_tokens, got 5 and 6"),
        (soft_overlong, {"max_tokens": 5, "buffer": -1}, "got 5 and -1"),
    ],
)
def test_a_bad_knob_is_one_sentence(make, knobs, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        make(**knobs)


@any_text.quickly
@given(text=any_text.any_text, prompt=any_text.any_text)
def test_any_text_stays_in_range(text: str, prompt: str) -> None:
    sample = Sample(prompt, text, GOLD)
    at_once = length(target=10).quick(sample)
    assert at_once is None or 0.0 <= (at_once.value or 0.0) <= 1.0
    shown = length(target=10, only_correct=False).judge(sample).value
    assert shown is not None and 0.0 <= shown <= 1.0
    overlong = soft_overlong(max_tokens=10, buffer=5).judge(sample).value
    assert overlong is not None and -1.0 <= overlong <= 0.0
