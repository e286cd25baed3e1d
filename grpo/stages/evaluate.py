"""A run's evaluation of a checkpoint on held-out problems, in a folder of the run."""

from pathlib import Path

from grpo.eval.answerer import LocalAnswerer
from grpo.eval.conduct import Evaluation, conduct, judging_of
from grpo.eval.examine import examine
from grpo.model.load import load_tokenizer
from grpo.recipe.stages import Evaluate
from grpo.run.identity import weights_hash
from grpo.stages.wins import count_wins
from grpo.workbench.posed import posed
from grpo.workbench.workbench import Workbench


def run_evaluate(stage: Evaluate, bench: Workbench, checkpoint: Path) -> None:
    """Score `checkpoint` and file the results. Raises UserError for problems that cannot be."""
    evaluation = Evaluation(
        # The same noise before and after training: the two are compared problem by problem.
        posed(stage, bench.problems(stage.data)[1], bench.recipe.prompt),
        stage.sampling,
        bench.recipe.seed,
        {"path": bench.run.named(checkpoint), "sha256": weights_hash(checkpoint)},
        about={"stage": stage.name, "parent": stage.parent},
        judging=judging_of(bench.recipe.runtime),
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
        conduct(folder, evaluation, answerer, bench.scorer, called=stage.name, anew=True)
        if stage.against:
            count_wins(folder, bench.run.evaluation(stage.against), bench.scorer)
    else:
        examine(evaluation.tasks, answerer, bench.scorer, evaluation.seed)
