"""A run's evaluation of a checkpoint on held-out problems, in a folder of the run."""

from pathlib import Path

from grpo.errors import UserError
from grpo.eval.answerer import LocalAnswerer
from grpo.eval.conduct import Evaluation, conduct
from grpo.eval.examine import examine
from grpo.eval.task import HELD_OUT, Task
from grpo.model.load import load_tokenizer
from grpo.recipe.sections import Prompt
from grpo.recipe.stages import Evaluate
from grpo.stages.identity import weights_hash
from grpo.stages.workbench import Workbench
from grpo_data.problem import Problem


def run_evaluate(stage: Evaluate, bench: Workbench, checkpoint: Path) -> None:
    """Score `checkpoint` and file the results. Raises UserError without held-out problems."""
    problems = bench.problems(stage.data)[1][: stage.problems]
    if not problems:
        raise UserError(
            f"stage {stage.name!r} has no held-out problems: raise data.held_out or name a "
            "data.held_out_path"
        )
    evaluation = Evaluation(
        # The same noise before and after training: the two are compared problem by problem.
        (held_out(problems, bench.recipe.prompt, stage.samples, "evaluate"),),
        stage.sampling,
        bench.recipe.seed,
        {"path": bench.run.named(checkpoint), "sha256": weights_hash(checkpoint)},
        about={"stage": stage.name, "parent": stage.parent},
    )
    # On every process, whatever is left to draw: an engine on one of them alone would hang.
    sampler = bench.sampler(checkpoint)
    answerer = LocalAnswerer(
        lambda _: sampler,
        load_tokenizer(bench.model, checkpoint),
        stage.sampling,
        bench.recipe.sampler.max_model_len,
    )
    if bench.accelerator.is_main_process:
        folder = bench.run.evaluation(stage.name)
        conduct(folder, evaluation, answerer, bench.scorer, anew=True)
    else:
        examine(evaluation.tasks, answerer, bench.scorer, evaluation.seed)


def held_out(problems: list[Problem], prompt: Prompt, samples: int, purpose: str) -> Task:
    """A run's own problems as a task, judged strictly, leniently and by their form."""
    return Task("held-out", tuple(problems), prompt, HELD_OUT, samples, purpose)
