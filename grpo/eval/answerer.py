"""Who answers: the protocol, and our own engine behind it.

An answerer is asked everything at once and hands answers over as they are finished, so that
whoever asks can judge some while others are still being drawn.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

from transformers import PreTrainedTokenizerBase

from grpo.errors import UserError
from grpo.eval.draft import draft_worth
from grpo.recipe.sections import Prompt, Sampling
from grpo.sampler import Sampler
from grpo.types import Completion, Request
from grpo_data.problem import Problem
from grpo_data.template import render


@dataclass(frozen=True)
class Put:
    """A question as it is put to the model: its text, for the record and the rewards, and what the
    answerer sends, which is its own affair (token ids here, chat messages elsewhere).

    >>> Put("<|user|>3 + 4?<|end|><|assistant|>", (2, 17, 42), length=3)
    """

    text: str
    sent: Any
    length: int


@dataclass(frozen=True)
class Asked:
    """One answer to draw. The same seed for the same question gives the same answer.

    >>> Asked(Put("<|user|>3 + 4?<|end|><|assistant|>", (2, 17, 42), length=3), seed=8861306)
    """

    put: Put
    seed: int


@dataclass(frozen=True)
class Answer:
    """A completion as an evaluation keeps it. `finish_reason` is "stop" or "length"; `tokens`
    counts the end token; `logprob` sums its tokens' (nats), None where nobody knows them.

    >>> Answer("... so \\\\boxed{7}", "stop", tokens=212, logprob=-41.5)
    """

    text: str
    finish_reason: str
    tokens: int
    logprob: float | None


class Answerer(Protocol):
    """What draws answers for an evaluation."""

    def put(self, problem: Problem, prompt: Prompt) -> Put:
        """How `problem` is put. Raises UserError, naming the problem, where it cannot be: no room
        in the window, no chat template, no such column."""
        ...

    def answer(self, asked: Sequence[Asked]) -> Generator[tuple[int, Answer]]:
        """(place in `asked`, answer) in the order they are finished, each exactly once.

        They are begun in the order of `asked`. Closing the iterator lets go of what is not
        finished.
        """
        ...

    def facts(self) -> dict[str, Any]:
        """What is worth knowing of the engine afterwards (acceptance of a draft, ...)."""
        ...


class LocalAnswerer:
    """Our own engine, which `start` starts once something is asked of it.

    `window` is what prompt and completion may have together, in tokens; `start` is called with
    what the longest question needs of it.
    """

    def __init__(
        self,
        start: Callable[[int], Sampler],
        tokenizer: PreTrainedTokenizerBase,
        sampling: Sampling,
        window: int,
    ) -> None:
        self._start, self._tokenizer = start, tokenizer
        self._sampling, self._window = sampling, window
        self._sampler: Sampler | None = None
        self._requests: list[Request] = []

    def put(self, problem: Problem, prompt: Prompt) -> Put:
        """See the protocol."""
        text, ids = render(
            self._tokenizer,
            problem,
            system=prompt.system,
            user=prompt.user,
            prefill=prompt.prefill,
            chat=prompt.chat,
        )
        if len(ids) >= self._window:
            raise UserError(
                f"problem {problem.id!r} is {len(ids):,} tokens with its prompt, which leaves no "
                f"room for an answer in a window of {self._window:,}: take a longer one "
                "(sampler.max_model_len), or leave the problem out"
            )
        return Put(text, ids, len(ids))

    def answer(self, asked: Sequence[Asked]) -> Generator[tuple[int, Answer]]:
        """See the protocol."""
        if not asked:
            return
        if self._sampler is None:
            longest = max(one.put.length for one in asked)
            self._sampler = self._start(min(self._window, longest + self._sampling.max_tokens))
        self._requests = [Request(one.put.sent, one.seed) for one in asked]
        with closing(self._sampler.stream(self._requests, self._sampling)) as completions:
            for place, completion in completions:
                yield place, _answer(completion)

    def facts(self) -> dict[str, Any]:
        """What a draft is worth, as `draft`, where there is one."""
        if self._sampler is None:
            return {}
        worth = draft_worth(self._sampler, self._requests, self._sampling)
        return {"draft": worth} if worth else {}


def _answer(drawn: Completion) -> Answer:
    return Answer(drawn.text, drawn.finish_reason, len(drawn.token_ids), sum(drawn.logprobs))
