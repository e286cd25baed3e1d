"""Mutations of real answers: what surely changes the value is never paid, and nothing raises.

A mutation changes the value by construction, not by our own reading of it. The answers are MATH's
and some of ours that have what MATH's lack.
"""

import random
import re
from collections.abc import Callable

import pytest
from answer_data import math_rows

from grpo_rewards.equal import Comparison, compare, compare_quickly, compare_symbolically

Mutation = Callable[[str, random.Random], str | None]

OURS = [
    "[0, 9)", "(-3, 4]", "5 cm", "12 hours", "三百二十一", "一百零五", "三分之二", "两万五千",
    "12个", "0.000000125", "7.5\\%", "5 million", "3\\frac{1}{2}", "\\frac{1}{2^{98}}", "x \\le 5",
    "1-\\frac{1}{2^{98}}", "\\{1, 2, 3\\}", "-2 < x < 7", "\\sqrt{2}\\cdot 10^{-20}", "f'(3)",
    "1{,}234{,}567",
]  # fmt: skip
UNITS = {"feet": "miles", "inches": "feet", "cm": "mm", "hours": "days", "miles": "feet"}
INTEGER = re.compile(r"-?\d+")
TWO = re.compile(r"\((-?\d+),\s*(-?\d+)\)")
INTERVAL = re.compile(r"([(\[])([^,()\[\]]+,[^,()\[\]]+)([)\]])")
FORMULA = re.compile(r"(?!.*(?:text|mbox|circ|begin|infty))[^,;:=<>%$!_\u4e00-\u9fff]+")
STRANGER = "104729"


def another_digit(answer: str, rng: random.Random) -> str | None:
    if re.search(r"[^<>]=|approx", answer):  # the last side alone counts
        return None
    return _replaced(answer, r"\d", "123456789", rng)


def another_numeral(answer: str, rng: random.Random) -> str | None:
    return _replaced(answer, "[一二三四五六七八九]", "一二三四五六七八九", rng)


def _replaced(answer: str, pattern: str, others: str, rng: random.Random) -> str | None:
    places = [match.start() for match in re.finditer(pattern, answer)]
    if not places:
        return None
    at = rng.choice(places)
    return answer[:at] + rng.choice(others.replace(answer[at], "")) + answer[at + 1 :]


def one_more_digit(answer: str, rng: random.Random) -> str | None:
    is_number = INTEGER.fullmatch(answer) and answer.strip("-0")
    return answer + rng.choice("0123456789") if is_number else None


def other_sign(answer: str, _: random.Random) -> str | None:
    is_number = re.fullmatch(r"-?(?:\d+|\\[dt]?frac\{\d+\}\{\d+\})", answer)
    if not is_number or not re.search("[1-9]", answer):
        return None
    return answer[1:] if answer.startswith("-") else f"-{answer}"


def one_more(answer: str, _: random.Random) -> str | None:
    return f"{answer} + 1" if FORMULA.fullmatch(answer) else None


def with_a_stranger(answer: str, rng: random.Random) -> str | None:
    joiner = rng.choice([", ", " or ", " and ", ",", "; ", " \\text{ or } ", "或"])
    return f"{answer}{joiner}{STRANGER}" if rng.random() < 0.5 else f"{STRANGER}{joiner}{answer}"


def pair_turned(answer: str, _: random.Random) -> str | None:
    two = TWO.fullmatch(answer)
    return f"({two[2]},{two[1]})" if two and two[1] != two[2] else None


def other_bracket(answer: str, rng: random.Random) -> str | None:
    found = INTERVAL.fullmatch(answer)
    if found is None or "infty" in answer:
        return None
    if rng.random() < 0.5:
        return ("[" if found[1] == "(" else "(") + found[2] + found[3]
    return found[1] + found[2] + ("]" if found[3] == ")" else ")")


def other_letter(answer: str, _: random.Random) -> str | None:
    letters = set(re.findall(r"(?<![A-Za-z\\])[xyz](?![A-Za-z])", answer))
    if len(letters) != 1 or "{" in answer:
        return None
    return re.sub(r"(?<![A-Za-z\\])[xyz](?![A-Za-z])", "w", answer)


def other_unit(answer: str, _: random.Random) -> str | None:
    unit = next((unit for unit in UNITS if re.search(rf"\b{unit}\b", answer)), None)
    return re.sub(rf"\b{unit}\b", UNITS[unit], answer) if unit else None


MUTATIONS: list[Mutation] = [
    another_digit, another_digit, another_digit, another_numeral, one_more_digit, other_sign,
    one_more, with_a_stranger, pair_turned, other_bracket, other_letter, other_unit,
]  # fmt: skip
NOISE = "0123456789+-*/^=.,%!()[]{}\\ xyabnkie_|<>'$\"&:;~√π三万\u200b"


def golds() -> list[str]:
    return sorted({row["answer"] for row in math_rows() if row["answer"].strip()}) + OURS * 20


def mutants(count: int) -> list[tuple[str, str, str]]:
    """So many (answer, mutant, mutation), drawn with seed 0."""
    rng, answers, found = random.Random(0), golds(), []
    while len(found) < count:
        answer, mutation = rng.choice(answers), rng.choice(MUTATIONS)
        mutant = mutation(answer, rng)
        if mutant is not None:
            found.append((answer, mutant, mutation.__name__))
    return found


def paid(count: int) -> list[tuple[str, str, str]]:
    return [one for one in mutants(count) if compare(one[0], one[1]) is Comparison.EQUAL]


def scribbled(answer: str, rng: random.Random) -> str:
    """An answer with one to three characters dropped, put in or exchanged."""
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(answer) + 1)
        answer = answer[:at] + rng.choice([*NOISE, ""]) + answer[at + rng.randint(0, 1) :]
    return answer


def paid_on_one_path_only(count: int) -> list[tuple[str, str]]:
    rng, answers = random.Random(1), golds()
    pairs = [(gold := rng.choice(answers), scribbled(gold, rng)) for _ in range(count)]
    settled = [(pair, found) for pair in pairs if (found := compare_quickly(*pair)) is not None]
    return [
        pair
        for pair, found in settled
        if (found is Comparison.EQUAL) != (compare_symbolically(*pair) is Comparison.EQUAL)
    ]


def test_every_mutation_is_drawn() -> None:
    assert {name for *_, name in mutants(5000)} == {one.__name__ for one in MUTATIONS}


def test_no_change_of_value_is_paid() -> None:
    assert paid(500) == []


def test_scribbles_are_paid_on_both_paths_or_on_none() -> None:
    assert paid_on_one_path_only(300) == []


@pytest.mark.full
def test_no_change_of_value_is_paid_in_a_hundred_thousand() -> None:
    assert paid(100_000) == []


@pytest.mark.full
def test_many_scribbles_are_paid_on_both_paths_or_on_none() -> None:
    assert paid_on_one_path_only(20_000) == []
