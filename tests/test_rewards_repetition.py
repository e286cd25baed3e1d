"""The penalty for repetition: n-grams counted by hand, and the same ones counted by TRL."""

import random
import time

import any_text
import pytest
from hypothesis import given

from grpo_rewards.repetition import repetition
from grpo_rewards.verdict import Sample
from grpo_rewards.words import plain, units


def penalty(text: str, **knobs: float) -> float | None:
    return repetition(**knobs).judge(Sample("", text)).value  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Three plus four.", ["three", "plus", "four", "."]),
        ("3.5+x_1", ["3", ".", "5", "+", "x", "_", "1"]),
        ("先算three个", ["先", "算", "three", "个"]),
        ("これ ไป", ["こ", "れ", "ไ", "ป"]),
        ("a" * 35, ["a" * 16, "a" * 16, "a" * 3]),
        (" \n\t", []),
    ],
)
def test_what_is_counted(text: str, pieces: list[str]) -> None:
    assert units(text) == pieces


@pytest.mark.parametrize(
    ("text", "n", "share"),
    [
        ("a b c d e", 2, 0),
        ("a b a b a b", 2, 3 / 5),  # ab ba ab ba ab: two of five are new
        ("a a a a a", 1, 4 / 5),
        ("a a a a a", 5, 0),  # one 5-gram
        ("a a a a", 5, 0),  # none
        ("A b, a B, a b,", 3, 4 / 7),  # ab, b,a ,ab and again: three of seven are new
        ("三加四三加四", 3, 1 / 4),  # 三加四 加四三 四三加 三加四
        ("no no! no no! no no!", 3, 4 / 7),  # no no !, no ! no, ! no no and again
        ("a" * 16 * 5, 2, 3 / 4),  # letters without end are cut into words
        ("", 1, 0),
    ],
)
def test_the_share_that_repeats_is_taken_off(text: str, n: int, share: float) -> None:
    assert penalty(text, n=n) == pytest.approx(-share)
    assert penalty(text, n=n, max_penalty=0.5) == pytest.approx(-share / 2)


def test_nothing_taken_off_is_plain_zero_and_half_a_loop_is_wrong() -> None:
    rule = repetition(n=2)
    assert str(rule.judge(Sample("", "a b c")).value) == "0.0"
    assert rule.judge(Sample("", "a b c")).outcome == "correct"
    assert rule.judge(Sample("", "a b a b a b")).outcome == "wrong"


def test_a_loop_is_punished_and_a_solution_is_not() -> None:
    solution = (
        "Janet sells 16 - 3 - 4 = 9 duck eggs a day. She makes 9 * 2 = $18 every day at the "
        "farmer's market. 她每天卖九个鸭蛋，每个两美元，所以每天挣十八美元。"
    )
    assert penalty(solution) == 0.0
    assert penalty(solution * 50) == pytest.approx(-0.98, abs=0.01)  # 49 of 50 are old
    assert penalty("wait, " * 500) == pytest.approx(-0.998, abs=0.001)  # 981 2-periodic 20-grams


def test_what_stands_after_200_000_characters_is_not_looked_at() -> None:
    distinct = " ".join(map(str, range(40_000)))[:200_000]
    assert penalty(distinct + " no" * 100_000, n=3) == penalty(distinct, n=3) == 0.0
    value = penalty(distinct[:199_000] + " no" * 100_000, n=3)
    assert value is not None and value < 0.0


def test_the_same_as_trl_where_a_token_is_a_word() -> None:
    trl = pytest.importorskip("trl.rewards")
    rng = random.Random(0)
    for _ in range(200):
        ids = [rng.randrange(4) for _ in range(rng.randrange(30))]
        n = rng.randint(1, 5)
        theirs = trl.get_repetition_penalty_reward(ngram_size=n, max_penalty=-0.5)([ids])[0]
        assert penalty(" ".join(f"w{i}" for i in ids), n=n, max_penalty=0.5) == theirs


@pytest.mark.parametrize(
    ("knobs", "sentence"),
    [
        ({"n": 0}, "n must lie in 1 to 100 units, got 0"),
        ({"n": 101}, "got 101"),
        ({"max_penalty": -1.0}, r"from 0 up \(it is taken off\), got -1.0"),
        ({"max_penalty": float("nan")}, "got nan"),
        ({"max_penalty": float("inf")}, "got inf"),
    ],
)
def test_a_bad_knob_is_one_sentence(knobs: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        repetition(**knobs)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 3, 100])
@any_text.quickly
@given(text=any_text.any_text)
def test_any_text_stays_in_range(n: int, text: str) -> None:
    value = penalty(text * 3, n=n, max_penalty=2.0)
    assert value is not None and -2.0 <= value <= 0.0


@any_text.quickly
@given(text=any_text.any_text)
def test_the_plain_form_is_unicode_s_but_for_the_seams(text: str) -> None:
    import unicodedata

    assert plain(text[:256]) == unicodedata.normalize("NFKC", text[:256])
    assert plain("x" * 256 + text[:256]) == "x" * 256 + plain(text[:256])


@pytest.mark.parametrize("piece", ["\u0301\u0323", "a", "a ", "先", "<think>", "\x00"])
def test_time_is_linear_in_the_text(piece: str) -> None:
    """Quadratic would be hours."""
    text = piece * (1_000_000 // len(piece))
    started = time.process_time()
    penalty(text, n=100)
    plain(text)
    assert time.process_time() - started < 30
