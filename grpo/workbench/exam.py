"""Looks at held-out problems while a stage trains, always the same ones with the same noise.

Problems without a right answer are left to the evaluate stages: what pays for them is learnt.
"""

from transformers import PreTrainedTokenizerBase

from grpo.eval.answerer import LocalAnswerer
from grpo.eval.examine import examine
from grpo.eval.score import by_question, verdicts
from grpo.recipe.stages import Distill, Rl
from grpo.sampler import Sampler
from grpo.timing import Stopwatch
from grpo.workbench.posed import held_out, reasoned
from grpo.workbench.workbench import Workbench


class Exam:
    """`evaluate_problems` held-out problems of reasoning, a sample each, every `evaluate_every`
    steps."""

    def __init__(
        self,
        stage: Rl | Distill,
        bench: Workbench,
        sampler: Sampler,
        tokenizer: PreTrainedTokenizerBase,
        watch: Stopwatch,
    ) -> None:
        problems = reasoned(bench.problems(stage.data)[1])[: stage.evaluate_problems]
        self._every = stage.evaluate_every if problems else 0
        self._task = held_out(problems, bench.recipe.prompt, 1, f"{stage.name}/exam")
        self._watch, self._bench = watch, bench
        window = bench.recipe.sampler.max_model_len
        self._answerer = LocalAnswerer(lambda _: sampler, tokenizer, stage.sampling, window)

    def sit(self, step: int) -> dict[str, float]:
        """The scores after `step` steps; nothing where none are due."""
        if not self._every or step % self._every:
            return {}
        with self._watch("evaluate"):
            seed, scorer_of = self._bench.recipe.seed, self._bench.scorer
            rows = examine((self._task,), self._answerer, scorer_of, seed)
            scores = verdicts(by_question(rows), self._task.marking)
        return {f"eval/{name}": score.value for name, score in scores.items()}
