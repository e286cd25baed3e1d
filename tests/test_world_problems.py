"""The tiny world's problems: what the words say, what the steps come to, which problem is which."""

import re
from collections import Counter
from itertools import product
from random import Random

import pytest
import world_reader

from grpo_data.problem import is_held_out
from grpo_data.sources import load_problems, split_held_out
from grpo_data.world import problems
from grpo_data.world.case import LANGUAGES, Case
from grpo_data.world.kinds import KINDS
from grpo_data.world.steps import LIMIT, Ref, Step, in_range, solve

CHINESE = re.compile(r"[\u4e00-\u9fff]")
LATIN = re.compile(r"[A-Za-z]")


def cases(kind: str, count: int = 300) -> list[Case]:
    return [KINDS[kind](Random(f"{kind}:{seed}")) for seed in range(count)]


def results(case: Case) -> list[int]:
    """The steps' results by Python's own arithmetic."""
    done: list[int] = []
    for step in case.steps:
        left, right = (
            done[operand.step] if isinstance(operand, Ref) else operand
            for operand in (step.left, step.right)
        )
        done.append(eval(f"{left}{step.op}{right}"))
    return done


@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_is_what_the_steps_come_to(kind: str) -> None:
    for case in cases(kind):
        done = results(case)
        assert case.answer == (max(done) if kind == "larger" else done[-1])
        assert case.problem("en").columns["steps"] == [str(e) for e in solve(case.steps)]
        assert [equation.result for equation in solve(case.steps)] == done


@pytest.mark.parametrize("kind", KINDS)
def test_every_result_stays_in_range(kind: str) -> None:
    drawn = [result for case in cases(kind) for result in results(case)]
    assert min(drawn) >= 0
    assert max(drawn) <= LIMIT
    assert max(drawn) > LIMIT * 0.8  # the range is used


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_words_say_what_the_steps_do(kind: str, language: str) -> None:
    for case in cases(kind):
        reading = world_reader.read(case.questions[language])
        assert (reading.key, reading.answer) == (case.key, case.answer), case.questions[language]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_question_names_all_its_numbers_and_no_other(kind: str, language: str) -> None:
    for case in cases(kind):
        given = {n for step in case.steps for n in (step.left, step.right) if isinstance(n, int)}
        said = {int(number) for number in re.findall(r"\d+", case.questions[language])}
        said |= {2} if "ouble it" in case.questions[language] else set()
        assert said == given, case.questions[language]


@pytest.mark.parametrize("kind", KINDS)
def test_a_language_keeps_to_itself(kind: str) -> None:
    for case in cases(kind, 100):
        english = [case.questions["en"], *case.sentences["en"], case.conclusions["en"]]
        chinese = [case.questions["zh"], *case.sentences["zh"], case.conclusions["zh"]]
        assert not any(CHINESE.search(text) for text in english)
        assert all(CHINESE.search(text) for text in chinese)
        # {eq}, {answer} and their like are filled in later
        assert not any(LATIN.search(re.sub(r"\{\w+\}", "", text)) for text in chinese)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_a_sentence_for_each_step(kind: str) -> None:
    for case in cases(kind, 100):
        for language in LANGUAGES:
            assert len(case.sentences[language]) == len(case.steps)
            assert all(text.count("{eq}") == 1 for text in case.sentences[language])
            assert "{answer}" in case.conclusions[language]


def test_the_steps_lengths_and_signs_vary() -> None:
    chains = Counter(len(case.steps) for case in cases("chain"))
    assert set(chains) == {2, 3, 4} and min(chains.values()) > 30
    signs = Counter(step.op for case in cases("chain") for step in case.steps)
    assert set(signs) == {"+", "-", "*"} and min(signs.values()) > 50


@pytest.mark.slow
def test_a_key_is_the_arithmetic_whatever_the_words() -> None:
    by_key: dict[str, list[Case]] = {}
    for kind in ("chain", "story", "compare"):
        for case in cases(kind, 3000):
            by_key.setdefault(case.key, []).append(case)
    shared = [found for found in by_key.values() if len({c.questions["en"] for c in found}) > 1]
    assert len(shared) > 50
    assert any(len({case.kind for case in found}) > 1 for found in shared)
    assert all(len({case.answer for case in found}) == 1 for found in by_key.values())


def test_which_is_larger_is_not_what_they_come_to() -> None:
    steps = (Step(7, "+", 8), Step(20, "-", 6))
    words = {"en": "", "zh": ""}, {"en": (), "zh": ()}, {"en": "", "zh": ""}
    larger, chain = Case("larger", steps, *words), Case("chain", steps, *words)
    assert (larger.key, larger.answer) == ("larger|7+8|20-6", 15)
    assert (chain.key, chain.answer) == ("7+8|20-6", 14)


def test_the_same_seed_gives_the_same_world() -> None:
    assert problems(size=300, seed=3) == problems(size=300, seed=3)
    assert problems(size=300, seed=3) != problems(size=300, seed=4)


def test_a_longer_list_begins_with_the_shorter() -> None:
    for kinds in ("all", "chain", "story,shop"):
        assert problems(kinds, size=400)[:150] == problems(kinds, size=150)


def test_no_problem_comes_twice_and_both_languages_come() -> None:
    drawn = problems(size=4000)
    assert len({p.key for p in drawn}) == len({p.id for p in drawn}) == len(drawn) == 4000
    spread = Counter((p.columns["kind"], p.columns["language"]) for p in drawn)
    assert set(spread) == set(product(KINDS, LANGUAGES))
    assert min(spread.values()) > 100  # of 400 each, were no kind short of problems


def test_a_problem_carries_what_rewards_and_reports_read() -> None:
    for problem in problems(size=200):
        reading = world_reader.read(problem.question)
        assert (problem.key, int(problem.answer)) == (reading.key, reading.answer)
        is_chinese = bool(CHINESE.search(problem.question))
        assert problem.columns["language"] == ("zh" if is_chinese else "en")


@pytest.mark.slow
def test_a_kind_that_runs_out_gives_all_it_has() -> None:
    # Two prices of 2 to 9 and two amounts of 2 to 6, the bill no more than 50.
    prices, amounts = range(2, 10), range(2, 7)
    there = {
        f"{p}*{m}|{q}*{n}|#0+#1"
        for p, m, q, n in product(prices, amounts, prices, amounts)
        if p * m + q * n <= 50
    }
    assert {problem.key for problem in problems("shop")} == there


def test_an_unknown_kind_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"tiny:chain,sotry: no kind 'sotry'.*chain, story"):
        problems("chain,sotry")


def test_the_world_is_a_data_source_whose_split_reads_the_key() -> None:
    drawn = load_problems("tiny:chain,story", limit=500)
    assert drawn == problems("chain,story", size=500)
    train, held_out = split_held_out(drawn, 0.1)
    assert all(is_held_out(p.key, 0.1) for p in held_out)
    assert not any(is_held_out(p.key, 0.1) for p in train)
    assert 25 <= len(held_out) <= 80  # 50 of 500, give or take 4.5 standard deviations


def test_in_range_looks_at_every_step() -> None:
    assert in_range((Step(20, "+", 30), Step(Ref(0), "-", 50)))
    assert not in_range((Step(20, "+", 31), Step(Ref(0), "-", 30)))
    assert not in_range((Step(3, "-", 4), Step(Ref(0), "+", 9)))
