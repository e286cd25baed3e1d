"""Looks at held-out problems while a stage trains, always the same ones with the same noise."""

from transformers import PreTrainedTokenizerBase

from grpo.eval.evaluate import JUDGES, evaluate
from grpo.recipe.stages import Rl
from grpo.rollout.collect import Collector
from grpo.sampler import Sampler
from grpo.stages.workbench import Workbench
from grpo.timing import Stopwatch


class Exam:
    """`evaluate_problems` held-out problems, one sample each, every `evaluate_every` steps."""

    def __init__(
        self,
        stage: Rl,
        bench: Workbench,
        sampler: Sampler,
        tokenizer: PreTrainedTokenizerBase,
        watch: Stopwatch,
    ) -> None:
        self._every = stage.evaluate_every
        self._problems = bench.problems(stage.data)[1][: stage.evaluate_problems]
        self._watch = watch
        self._collector = Collector(
            sampler,
            bench.scorer(JUDGES),
            tokenizer,
            bench.recipe.prompt,
            stage.sampling,
            group_size=1,
            seed=bench.recipe.seed,
            purpose=f"{stage.name}/exam",
            watch=Stopwatch(),
        )

    def sit(self, step: int) -> dict[str, float]:
        """The scores after `step` steps; nothing where none are due."""
        if not self._every or step % self._every or not self._problems:
            return {}
        with self._watch("evaluate"):
            scores = evaluate(self._collector, self._problems).scores
        return {f"eval/{name}": score.mean for name, score in scores.items()}
