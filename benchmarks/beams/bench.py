"""The stored result a search is measured on: its questions, its whole samples, its verdict."""

import json
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from grpo.eval.extraction import EXTRACTS
from grpo.eval.grading import grader
from grpo.eval.result import Result
from grpo.eval.row import Row
from grpo.eval.scaled import table_of
from grpo.eval.score import by_question
from grpo.eval.search.paths import Found, Question
from grpo.recipe.sections import Sampling
from grpo_data.template import token_ids
from grpo_rewards.workers import Scorer


class Bench:
    """A result of one benchmark, judged by `verdict`, its samples scored by each of `scores`.

    `tokens` is the mean length of a sample, `most` the samples every question has.
    """

    def __init__(
        self, result: Result, verdict: str | None, scores: Sequence[str], steps: str
    ) -> None:
        (name,) = result.benchmarks
        self.groups = by_question(result.rows)
        self.marking = result.marking(name)
        self.verdict = verdict or self.marking.score
        graders = [grader(score, steps) for score in scores]
        self.table = table_of(self.groups, self.marking, self.verdict, graders)
        self.tokens = fmean(row.tokens for row in result.rows)
        self.most = min(map(len, self.groups))
        self.sampling = Sampling(**result.plan["sampling"])
        self._extract = EXTRACTS[self.marking.verdicts[self.verdict][0]]

    @property
    def firsts(self) -> list[Row]:
        """One sample of each question."""
        return [group[0] for group in self.groups]

    def questions(self, tokenizer: Any) -> list[Question]:
        """As they were asked."""
        return [
            Question(
                row.question_id,
                row.prompt,
                token_ids(tokenizer, row.prompt, special=False),
                json.loads(row.columns),
            )
            for row in self.firsts
        ]

    def has_answer(self, prompt: str, text: str) -> bool:
        """Whether the verdict finds an answer to judge."""
        return self._extract(prompt, text) is not None

    def right(self, found: Sequence[Found]) -> list[bool]:
        """The verdict on what a search came to, a question each."""
        rows = self.firsts
        with Scorer(self.marking.rewards, workers=1) as scorer:
            verdicts = scorer.score(
                [row.prompt for row in rows],
                [one.path.text for one in found],
                [{**json.loads(r.columns), "question": r.question, "answer": r.gold} for r in rows],
            )
        return [self.marking.is_right(self.verdict, one.outcomes) for one in verdicts]
