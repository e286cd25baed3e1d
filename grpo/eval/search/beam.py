"""Beam search over the steps of a thought, guided by a process reward model.

As in Snell et al. 2024 (Scaling LLM Test-Time Compute Optimally), without lookahead: every path
draws some next steps, the best are kept, until all that are kept have ended. The cost is counted
in tokens drawn; reading a path again, and scoring it, is not counted.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from grpo.eval.search.paths import Found, Path, Question, Tree
from grpo.eval.steps.scorer import StepScorer, Thought, reduced
from grpo.recipe.sections import Sampling
from grpo.sampler.protocol import Sampler
from grpo.sampler.seeds import request_seed
from grpo.types import Completion, Request

Branch = tuple[Tree, Path]
"""A path with the tree it belongs to."""


@dataclass(frozen=True)
class Beams:
    """`keep` paths are kept of each round's, and each draws `draw` next steps.

    The first round draws keep x draw. A draw ends at any of the texts `ends`; `steps` is how the
    scores of a path's steps become its own.

    >>> Beams(keep=4, draw=4, ends=(".", "。"))
    """

    keep: int
    draw: int
    ends: tuple[str, ...]
    steps: str = "last"


class BeamSearch:
    """Searches many questions at once, a round of all of them in one batch.

    `sampling` says how steps are drawn and how long a thought may be in all; `has_answer`, asked
    with the prompt and the text, whether one that has ended can be submitted. `seed` fixes every
    draw and every lot.
    """

    def __init__(
        self,
        beams: Beams,
        sampler: Sampler,
        scorer: StepScorer,
        sampling: Sampling,
        has_answer: Callable[[str, str], bool],
        seed: int = 0,
    ) -> None:
        self._beams, self._sampler, self._scorer = beams, sampler, scorer
        self._longest, self._has_answer, self._seed = sampling.max_tokens, has_answer, seed
        self._sampling = sampling.model_copy(update={"stop": beams.ends})

    def search(self, questions: Sequence[Question]) -> list[Found]:
        """What is found for each question, in order."""
        trees = [Tree(question) for question in questions]
        while growing := [tree for tree in trees if tree.open_paths]:
            branches = [(tree, path) for tree in growing for path in self._parents(tree)]
            drawn = iter(self._scored(self._drawn(branches)))
            for tree, own in groupby(branches, key=lambda branch: branch[0]):
                paths = [next(drawn) for _ in own]
                tree.grow(paths, self._beams.keep, self._seed)
        return [tree.found() for tree in trees]

    def _parents(self, tree: Tree) -> list[Path]:
        """The path that each of the next draws goes on from."""
        copies = self._beams.draw if tree.rounds else self._beams.keep * self._beams.draw
        return [path for path in tree.open_paths for _ in range(copies)]

    def _drawn(self, branches: Sequence[Branch]) -> list[Branch]:
        """Each branch a step further."""
        steps = self._sampler.sample(list(self._requests(branches)), self._sampling)
        for (tree, _), step in zip(branches, steps, strict=True):
            tree.tokens += len(step.token_ids)
        pairs = zip(branches, steps, strict=True)
        return [(tree, self._extended(path, step)) for (tree, path), step in pairs]

    def _requests(self, branches: Sequence[Branch]) -> Iterator[Request]:
        for tree, own in groupby(branches, key=lambda branch: branch[0]):
            for place, (_, path) in enumerate(own):
                seed = request_seed(self._seed, tree.rounds, tree.question.id, place, "beam")
                yield Request(tree.question.prompt_ids + path.token_ids, seed)

    def _extended(self, path: Path, step: Completion) -> Path:
        ids, text = path.token_ids + step.token_ids, path.text + step.text
        was_cut = step.finish_reason == "length" or len(ids) > self._longest
        goes_on = not was_cut and any(end in step.text for end in self._beams.ends)
        return Path(ids, text, not goes_on, None if was_cut else 0.0)

    def _scored(self, drawn: Sequence[Branch]) -> list[Path]:
        asked = [(tree.question, path.text) for tree, path in drawn]
        thoughts = [Thought(one.prompt, text, one.columns) for one, text in asked]
        pairs = zip(drawn, self._scorer.score(thoughts), strict=True)
        return [
            replace(path, score=self._score(tree.question, path, steps))
            for (tree, path), steps in pairs
        ]

    def _score(self, question: Question, path: Path, steps: Sequence[float]) -> float | None:
        is_lost = path.has_ended and not self._has_answer(question.prompt, path.text)
        return None if is_lost or path.score is None else reduced(steps, self._beams.steps)
