"""The pretraining corpus: what is in it, in which shares, and what never is."""

from collections import Counter
from itertools import islice
from random import Random

import pytest
import world_reader

from grpo_data.problem import is_held_out
from grpo_data.world.corpus import SUMS, TALK, Document, document, documents, training_case
from grpo_data.world.general import DOMAINS
from grpo_data.world.steps import LIMIT

HELD_OUT = 0.1
N = 3000


@pytest.fixture(scope="module")
def corpus() -> list[Document]:
    return list(documents(0, N, HELD_OUT))


def is_sums(one: Document) -> bool:
    return not one.prompt


def is_problem(one: Document) -> bool:
    return sum(map(str.isdigit, one.prompt)) > 2


def keys(documents: list[Document]) -> list[str]:
    """The problems that the documents pose, read from their words."""
    return [world_reader.read(one.prompt).key for one in documents if is_problem(one)]


def test_no_held_out_problem_is_in_the_corpus(corpus: list[Document]) -> None:
    assert len(keys(corpus)) > 2000
    assert not any(is_held_out(key, HELD_OUT) for key in keys(corpus))


def test_such_a_scan_would_see_one() -> None:
    found = keys(list(documents(0, N, held_out=0.0)))
    # About a tenth of some 2,190, were they not kept out.
    assert 150 < sum(is_held_out(key, HELD_OUT) for key in found) < 300


def test_a_training_case_is_never_held_out() -> None:
    for seed in range(500):
        assert not is_held_out(training_case(Random(seed), 0.5).key, 0.5)


def test_documents_come_in_their_shares(corpus: list[Document]) -> None:
    seen = Counter("sums" if is_sums(d) else "problem" if is_problem(d) else "talk" for d in corpus)
    # Four standard deviations of a share of 0.2 among 3,000 are 0.029.
    assert seen["sums"] / N == pytest.approx(SUMS, abs=0.03)
    assert seen["talk"] / N == pytest.approx(TALK, abs=0.02)
    assert seen["problem"] / N == pytest.approx(1 - SUMS - TALK, abs=0.035)


def test_sums_are_right_and_small(corpus: list[Document]) -> None:
    seen: Counter[str] = Counter()
    for sums in filter(is_sums, corpus):
        said = sums.response.split()
        assert 6 <= len(said) <= 10
        for equation in said:
            sum_, _, result = equation.partition("=")
            assert eval(sum_) == int(result)
            assert 0 <= int(result) <= LIMIT
            seen[next(op for op in "+-*" if op in sum_)] += 1
    assert set(seen) == {"+", "-", "*"} and min(seen.values()) > 500


def test_a_document_follows_from_its_seed_and_number_alone(corpus: list[Document]) -> None:
    assert corpus[1234] == document(Random("corpus:0:1234"), HELD_OUT)
    assert list(documents(0, 50, HELD_OUT)) == corpus[:50]
    assert list(islice(documents(1, N, HELD_OUT), 50)) != corpus[:50]


def test_talk_is_sometimes_good_and_sometimes_careless(corpus: list[Document]) -> None:
    talk: dict[str, set[str]] = {}
    for one in corpus:
        if not is_sums(one) and not is_problem(one):
            talk.setdefault(one.prompt, set()).add(one.response)
    assert max(len(answers) for answers in talk.values()) > 1
    assert len(talk) > 10 * len(DOMAINS)
    assert all(one.response for one in corpus)
