"""What a draft is worth, with a sampler whose speed and counters are known."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from grpo.eval import draft
from grpo.eval.draft import draft_worth
from grpo.recipe.sections import Sampling
from grpo.sampler import ACCEPTANCE
from grpo.types import Completion, Request

REQUESTS = [Request((number,), number) for number in range(200)]


class Clocked:
    """A completion is three tokens and takes 1 ms with a draft, 2 ms without."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, accepted: float | None) -> None:
        self.now, self.drafting, self.drawn = 0.0, True, False
        self.accepted = accepted
        self.asked: list[tuple[bool, int, int]] = []
        monkeypatch.setattr(draft, "time", self)

    def perf_counter(self) -> float:
        return self.now

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        self.asked.append((self.drafting, len(requests), sampling.max_tokens))
        self.now += len(requests) * (0.001 if self.drafting else 0.002)
        self.drawn = True
        return [Completion("abc", (1, 2, 3), (0.0,) * 3, "stop") for _ in requests]

    @contextmanager
    def undrafted(self) -> Iterator[None]:
        self.drafting = False
        yield
        self.drafting = True

    def metrics(self) -> Mapping[str, float]:
        drawn, self.drawn = self.drawn, False
        return {ACCEPTANCE: self.accepted} if self.accepted is not None and drawn else {}


def worth(sampler: Any, tokens: int = 1024) -> dict[str, Any]:
    return draft_worth(sampler, REQUESTS, Sampling(max_tokens=tokens))


def test_speeds_are_measured_in_turns_on_some_of_the_questions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert draft.time is time
    sampler = Clocked(monkeypatch, accepted=0.8)
    sampler.drawn = True
    # 200 questions, every fourth: 50. Three tokens a millisecond, or in two.
    assert worth(sampler) == {
        "acceptance": 0.8,
        "tokens_per_second": 3000.0,
        "tokens_per_second_without": 1500.0,
        "questions": 50,
    }
    assert sampler.asked == [(False, 50, 256), (True, 50, 256)] * 2
    # What was drawn here is no part of what is counted next.
    assert sampler.metrics() == {}


def test_answers_that_are_short_stay_so(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = Clocked(monkeypatch, accepted=0.8)
    sampler.drawn = True
    worth(sampler, tokens=40)
    assert {longest for *_, longest in sampler.asked} == {40}


def test_without_a_draft_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = Clocked(monkeypatch, accepted=None)
    assert worth(sampler) == {} and sampler.asked == []
