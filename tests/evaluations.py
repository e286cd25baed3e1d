"""Evaluations in small: problems, tasks and an answerer that plays recorded completions back."""

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from grpo.eval.answerer import Answer, Asked, Put
from grpo.eval.marker import ScorerOf
from grpo.eval.task import Marking, Task, marking
from grpo.recipe.sections import Prompt
from grpo_data.problem import Problem
from grpo_rewards.workers import Scorer

Reply = Callable[[str, int], str]
"""(the question as it was put, its seed) to the words of the answer."""


class Scripted:
    """Answers by a function, last asked first, so that order is nobody's to rely on.

    `asked` are the puts and seeds of all calls; an answer that begins with "CUT" ends at the length
    limit. With `dies_after`, the so-manieth answer raises instead.
    """

    def __init__(self, reply: Reply, dies_after: int | None = None) -> None:
        self._reply, self._left = reply, dies_after
        self.asked: list[Asked] = []

    def put(self, problem: Problem, prompt: Prompt) -> Put:
        text = prompt.user.replace("{question}", problem.question)
        return Put(text, text, len(text))

    def answer(self, asked: Sequence[Asked]) -> Generator[tuple[int, Answer]]:
        self.asked += asked
        for place in reversed(range(len(asked))):
            if self._left is not None:
                if self._left == 0:
                    raise RuntimeError("the engine died")
                self._left -= 1
            text = self._reply(asked[place].put.text, asked[place].seed)
            end = "length" if text.startswith("CUT") else "stop"
            tokens = len(text.split())
            yield place, Answer(text, end, tokens, -0.5 * tokens)

    def facts(self) -> dict[str, Any]:
        return {}


def problem(name: str, question: str, answer: str, **columns: Any) -> Problem:
    return Problem(name, question, answer, question, columns)


def task(
    name: str,
    problems: Sequence[Problem],
    k: int = 1,
    by: Marking | None = None,
    about: Mapping[str, Any] | None = None,
) -> Task:
    found = {"sha256": f"of {name}", "source": f"{name}.jsonl", **(about or {})}
    mark = by or marking("accuracy")
    return Task(name, tuple(problems), Prompt(), mark, k, f"evaluate/{name}", found)


SUMS = [problem(f"s{n}", f"{n} + {n} = ?", str(2 * n), level=str(n % 2)) for n in range(1, 7)]


def doubling(put: str, seed: int) -> str:
    """The right answer to SUMS, boxed, but for "3 + 3", where the answer is 7."""
    number = int(put.split()[0])
    return f"so \\boxed{{{7 if number == 3 else 2 * number}}}"


@contextmanager
def kept_scorers() -> Iterator[ScorerOf]:
    """A scorer for rewards, started once for equal ones."""
    made: dict[str, Scorer] = {}

    def scorer_of(rewards: Mapping[str, Any]) -> Scorer:
        key = json.dumps(dict(rewards))
        if key not in made:
            made[key] = Scorer(rewards, workers=1)
        return made[key]

    yield scorer_of
    for scorer in made.values():
        scorer.close()
