"""Collecting groups: problems, prompts, completions, judgements."""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from grpo.recipe.sections import Prompt, Sampling
from grpo.sampler import Sampler, request_seed
from grpo.timing import Stopwatch
from grpo.types import Completion, Group, Judgement, Request
from grpo_data.problem import Problem
from grpo_data.template import render
from grpo_rewards.workers import Scorer


@dataclass(frozen=True)
class Collector:
    """What it takes to turn problems into judged groups.

    `purpose` keeps the noise of one use (a stage's rollouts, its evaluations) from another's.
    """

    sampler: Sampler
    scorer: Scorer
    tokenizer: PreTrainedTokenizerBase
    prompt: Prompt
    sampling: Sampling
    group_size: int
    seed: int
    purpose: str
    watch: Stopwatch

    def collect(self, problems: Sequence[Problem], step: int) -> tuple[Group, ...]:
        """Draw and judge `group_size` completions of each problem.

        Each request's seed hangs on (run seed, purpose, step, problem, sample) alone, so neither
        the batch's layout nor the number of processes changes a completion.
        """
        G = self.group_size
        prompts = [self._render(problem) for problem in problems]
        requests = [
            Request(ids, request_seed(self.seed, step, problem.id, sample, self.purpose))
            for problem, (_, ids) in zip(problems, prompts, strict=True)
            for sample in range(G)
        ]
        with self.watch("sampling"):
            drawn = self.sampler.sample(requests, self.sampling)
        completions = [tuple(drawn[at : at + G]) for at in range(0, len(drawn), G)]
        with self.watch("rewards"):
            judgements = self._judge(problems, prompts, completions)
        return tuple(
            Group(problem, text, ids, drawn, judged)
            for problem, (text, ids), drawn, judged in zip(
                problems, prompts, completions, judgements, strict=True
            )
        )

    def _judge(
        self,
        problems: Sequence[Problem],
        prompts: Sequence[tuple[str, tuple[int, ...]]],
        completions: Sequence[tuple[Completion, ...]],
    ) -> list[tuple[Judgement, ...]]:
        G = self.group_size
        verdicts = self.scorer.score(
            [text for text, _ in prompts for _ in range(G)],
            [c.text for group in completions for c in group],
            [row for problem in problems for row in [_columns(problem)] * G],
        )
        judged = [Judgement(v.reward, v.parts, v.outcomes) for v in verdicts]
        return [tuple(judged[at : at + G]) for at in range(0, len(judged), G)]

    def _render(self, problem: Problem) -> tuple[str, tuple[int, ...]]:
        knobs = self.prompt
        return render(
            self.tokenizer,
            problem,
            system=knobs.system,
            user=knobs.user,
            prefill=knobs.prefill,
            chat=knobs.chat,
        )


def _columns(problem: Problem) -> dict[str, object]:
    return {**problem.columns, "question": problem.question, "answer": problem.answer}
