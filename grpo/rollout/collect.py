"""Collecting groups: problems, prompts, completions, judgements."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from grpo.recipe.sections import Prompt, Sampling
from grpo.rollout.step_ends import in_tokens
from grpo.sampler import Sampler, request_seed
from grpo.timing import Stopwatch
from grpo.types import Completion, Group, Judgement, Request
from grpo_data.problem import Problem
from grpo_data.template import conversation, render
from grpo_rewards.state import TrainerState
from grpo_rewards.tags import opened_by
from grpo_rewards.workers import Prompt as Asked
from grpo_rewards.workers import Scorer

UNJUDGED = Judgement(None, {}, {})


@dataclass(frozen=True)
class Collector:
    """What it takes to turn problems into judged groups.

    Without a `scorer` nothing is judged. `purpose` keeps the noise of one use (a stage's rollouts,
    its evaluations) from another's.
    `max_steps` and `steps_per_epoch` (in rollouts) are what rewards are told of a training.
    `weights` are those of the rewards that pay for each domain; None: the scorer's own for all.
    """

    sampler: Sampler
    scorer: Scorer | None
    tokenizer: PreTrainedTokenizerBase
    prompt: Prompt
    sampling: Sampling
    group_size: int
    seed: int
    purpose: str
    watch: Stopwatch
    max_steps: int = 0
    steps_per_epoch: float = math.inf
    weights: Mapping[str, Mapping[str, float]] | None = None

    def collect(
        self, problems: Sequence[Problem], step: int, times: Sequence[int] = ()
    ) -> tuple[Group, ...]:
        """Draw and judge `group_size` completions of each problem.

        Each request's seed hangs on (run seed, purpose, step, problem, sample) alone, so neither
        the batch's layout nor the number of processes changes a completion. `times` is how often
        the step has drawn each problem before: its samples are counted on from there.
        """
        G = self.group_size
        if not problems:
            return ()
        prompts = [self._render(problem) for problem in problems]
        requests = [
            Request(ids, request_seed(self.seed, step, problem.id, sample, self.purpose))
            for problem, (_, ids), again in zip(
                problems, prompts, times or [0] * len(problems), strict=True
            )
            for sample in range(again * G, again * G + G)
        ]
        with self.watch("sampling"):
            drawn = self.sampler.sample(requests, self.sampling)
        completions = [tuple(drawn[at : at + G]) for at in range(0, len(drawn), G)]
        with self.watch("rewards"):
            judgements = self._judge(problems, prompts, completions, step)
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
        step: int,
    ) -> list[tuple[Judgement, ...]]:
        G = self.group_size
        if self.scorer is None:
            return [(UNJUDGED,) * G for _ in problems]
        asked = [self._asked(p, text) for p, (text, _) in zip(problems, prompts, strict=True)]
        drawn = [c for group in completions for c in group]
        verdicts = self.scorer.score(
            [one for one in asked for _ in range(G)],
            [self._said(c.text) for c in drawn],
            [row for problem in problems for row in [_columns(problem)] * G],
            token_ids=[c.token_ids for c in drawn],
            state=self._state(step),
            weights=self._weights(problems),
        )
        judged = [
            Judgement(v.reward, v.parts, v.outcomes, v.extra, in_tokens(v.steps, c, self.tokenizer))
            for v, c in zip(verdicts, drawn, strict=True)
        ]
        return [tuple(judged[at : at + G]) for at in range(0, len(judged), G)]

    def _weights(self, problems: Sequence[Problem]) -> list[Mapping[str, float]] | None:
        """Each completion's, by its problem's domain."""
        if self.weights is None:
            return None
        return [self.weights[p.domain] for p in problems for _ in range(self.group_size)]

    def _asked(self, problem: Problem, prompt: str) -> Asked:
        """The prompt as TRL hands it to rewards: chat messages, or the text where there is no chat.

        What begins the assistant's turn (`<think>`) is a turn, whoever put it there.
        """
        if not self.prompt.chat:
            return prompt
        turns = conversation(problem, system=self.prompt.system, user=self.prompt.user)
        begun = self.prompt.prefill or opened_by(prompt)
        return [*turns, *[{"role": "assistant", "content": begun}][: bool(begun)]]

    def _said(self, text: str) -> Asked:
        return [{"role": "assistant", "content": text}] if self.prompt.chat else text

    def _state(self, step: int) -> TrainerState:
        epochs = self.max_steps / self.steps_per_epoch
        return TrainerState(step, self.max_steps, step / self.steps_per_epoch, epochs)

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
    """The row as rewards see it; TRL's own rewards look for the reference in `solution`."""
    own = {"question": problem.question, "answer": problem.answer}
    return {"solution": problem.answer, **problem.columns, **own}
