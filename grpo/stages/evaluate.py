"""Evaluation of a checkpoint on held-out problems: results as JSON, every sample as Parquet."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from grpo.checkpoint.atomic import atomic_write
from grpo.errors import UserError
from grpo.eval.evaluate import JUDGES, Evaluation, evaluate
from grpo.model.load import load_tokenizer
from grpo.recipe.stages import Evaluate
from grpo.rollout.collect import Collector
from grpo.stages.workbench import Workbench
from grpo.timing import Stopwatch


def run_evaluate(stage: Evaluate, bench: Workbench, checkpoint: Path) -> Evaluation:
    """Score `checkpoint` and file the results. Raises UserError without held-out problems."""
    problems = bench.problems(stage.data)[1][: stage.problems]
    if not problems:
        raise UserError(
            f"stage {stage.name!r} has no held-out problems: raise data.held_out or name a "
            "data.held_out_path"
        )
    collector = Collector(
        bench.sampler(checkpoint),
        bench.scorer(JUDGES),
        load_tokenizer(bench.model, checkpoint),
        bench.recipe.prompt,
        stage.sampling,
        group_size=stage.samples,
        seed=bench.recipe.seed,
        # The same noise before and after training: the two are compared problem by problem.
        purpose="evaluate",
        watch=Stopwatch(),
    )
    evaluation = evaluate(collector, problems)
    if bench.accelerator.is_main_process:
        _file(bench.run.evaluation(stage.name), stage, checkpoint, evaluation)
    return evaluation


def _file(path: Path, stage: Evaluate, checkpoint: Path, evaluation: Evaluation) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(evaluation.rows()), sink, compression="zstd")
    atomic_write(path.with_suffix(".parquet"), sink.getvalue().to_pybytes())
    results = {
        "stage": stage.name,
        "parent": stage.parent,
        "checkpoint": str(checkpoint),
        "sampling": stage.sampling.model_dump(mode="json"),
        **evaluation.results(),
    }
    atomic_write(path, json.dumps(results, indent=1, ensure_ascii=False) + "\n")
