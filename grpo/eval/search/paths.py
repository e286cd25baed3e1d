"""The nouns of a search: questions, paths, and the tree of those that are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any


@dataclass(frozen=True)
class Question:
    """What is asked: the prompt as text and ids, and the problem's other columns.

    >>> Question("q7", "<|user|>3 + 4?<|end|><|assistant|>", (2, 17, 42), {"steps": ["3+4=7"]})
    """

    id: str
    prompt: str
    prompt_ids: tuple[int, ...]
    columns: Mapping[str, Any]


@dataclass(frozen=True)
class Path:
    """A thought as far as it has come. A score of None ranks below all others: the thought was
    cut off, or has ended without an answer.

    >>> Path((9, 24, 31), "<think>First, 7+5=12.", has_ended=False, score=1.0)
    """

    token_ids: tuple[int, ...] = ()
    text: str = ""
    has_ended: bool = False
    score: float | None = 0.0


@dataclass(frozen=True)
class Found:
    """The best path of a question, and the tokens drawn on the way to it and beside it.

    >>> Found("q7", Path(..., has_ended=True, score=0.97), tokens=412, rounds=5)
    """

    question: str
    path: Path
    tokens: int
    rounds: int


class Tree:
    """The paths that are kept for one question, and what they have cost."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.rounds, self.tokens = 0, 0
        self._kept = [Path()]

    @property
    def open_paths(self) -> list[Path]:
        """Those that have not ended."""
        return [path for path in self._kept if not path.has_ended]

    def grow(self, drawn: Sequence[Path], keep: int, seed: int) -> None:
        """Keep the best of a round's paths and of those that had ended before.

        Of paths with one text, one; of equal scores, by a lot that hangs on `seed`.
        """
        ended = [path for path in self._kept if path.has_ended]
        candidates = list({(p.text, p.has_ended): p for p in (*drawn, *ended)}.values())
        Random(repr((seed, self.question.id, self.rounds))).shuffle(candidates)
        self._kept = sorted(candidates, key=_rank, reverse=True)[:keep]
        self.rounds += 1

    def found(self) -> Found:
        """The best path that is kept."""
        return Found(self.question.id, self._kept[0], self.tokens, self.rounds)


def _rank(path: Path) -> float:
    return -1.0 if path.score is None else path.score
