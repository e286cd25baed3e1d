"""The nouns that travel between the floors: Request, Completion, Judgement, Group, Rollout.

They are plain frozen data. No tensor lives here: a rollout is written to disk and read back
before an update uses it, and what is read back must equal what was written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from grpo_data.problem import Problem


@dataclass(frozen=True)
class Request:
    """One completion to draw.

    >>> Request(prompt_ids=(0, 17, 42), seed=8861306)
    """

    prompt_ids: tuple[int, ...]
    seed: int


# T = tokens, L = layers with routed experts, K = experts a token takes in a layer


@dataclass(frozen=True)
class Routing:
    """Which routed experts the sampler's layers sent each token to.

    `ids` are the experts' numbers, [T, L, K], of `width` bytes each, little-endian. The tokens are
    those of the prompt and of the completion but for its last, which the sampler never read.

    >>> Routing(ids=bytes([3, 1, 0, 5]), layers=1, chosen=2)  # of two tokens: 3 and 1, 0 and 5
    """

    ids: bytes
    layers: int
    chosen: int
    width: int = 1

    @classmethod
    def of(cls, ids_TLK: np.ndarray) -> "Routing":
        """From an array of uint8 or uint16."""
        _, layers, chosen = ids_TLK.shape
        width = ids_TLK.dtype.itemsize
        return cls(ids_TLK.astype(f"<u{width}").tobytes(), layers, chosen, width)

    @property
    def ids_TLK(self) -> np.ndarray:
        """The experts' numbers as an array, not to be written to."""
        flat = np.frombuffer(self.ids, f"<u{self.width}")
        return flat.reshape(-1, self.layers, self.chosen)


@dataclass(frozen=True)
class Completion:
    """One answer of the policy, with the sampler's log-probability of every token in it.

    `token_ids` leaves the prompt out and holds the end token when `finish_reason` is "stop";
    `text` keeps `<think>` and its kind and drops the end token. `logprobs` (nats) are those of
    the distribution that was sampled from, temperature applied. `routing` is None where the model
    has no routed experts or the sampler does not say which it chose.

    >>> Completion("<think>3 + 4 = 7</think><answer>7</answer>",
    ...            (5, 20, 11, 21, 12, 24, 6, 7, 24, 8, 2), (-0.1,) * 11, "stop")
    """

    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish_reason: str
    routing: Routing | None = None


Steps = tuple[tuple[int, float], ...]
"""The steps of a completion: (place of the step's last token in it, score), in their order."""


@dataclass(frozen=True)
class Judgement:
    """What the rewards said of one completion; `reward` is the weighted sum of the parts.

    A part of None was skipped by its reward function and counts for nothing. `extra` are notes of
    the rewards for the reader (TRL's `log_extra`), plain JSON values by column. `steps` are by
    reward; only one that scores steps has an entry.

    >>> Judgement(1.0, {"accuracy": 1.0, "brevity": None}, {"accuracy": "correct"}, {"words": 12})
    """

    reward: float | None
    parts: Mapping[str, float | None]
    outcomes: Mapping[str, str]
    extra: Mapping[str, Any] = field(default_factory=dict)
    steps: Mapping[str, Steps] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """G completions of one prompt, each with its judgement: the unit advantages are taken over.

    `drawn` is the step it was drawn for, where another one learns from it.

    >>> Group(problem, "<|user|>3 + 4?<|end|><|assistant|>", (2, 17, 42), completions, judgements)
    """

    problem: Problem
    prompt: str
    prompt_ids: tuple[int, ...]
    completions: tuple[Completion, ...]
    judgements: tuple[Judgement, ...]
    drawn: int | None = None


@dataclass(frozen=True)
class Refilled:
    """What became of the groups of a rollout that was refilled, and how far the problems are read.

    `learnt` has for each group the step that learns from it, None where its rewards are equal;
    `places` are by part (a domain, or "" where there is one order for all) the problems drawn since
    the stage began.

    >>> Refilled(learnt=(12, None, 12, 13), places={"": 431})
    """

    learnt: tuple[int | None, ...]
    places: Mapping[str, int]


@dataclass(frozen=True)
class Rollout:
    """All groups drawn for one step with one policy.

    `metrics` are what the rewards logged of the whole (TRL's `log_metric`), means by name.
    `refilled` is None where a step learns from what it draws and from nothing else.

    >>> Rollout(step=12, groups=(group,) * 32, metrics={"brevity/words": 41.5})
    """

    step: int
    groups: tuple[Group, ...]
    metrics: Mapping[str, float] = field(default_factory=dict)
    refilled: Refilled | None = None
