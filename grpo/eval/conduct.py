"""An evaluation with its folder: claimed, gone on with, judged, scored and written down.

Who answers and who judges is the caller's to open and to close.
"""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpo.eval.answerer import Answerer
from grpo.eval.examine import Tell, examine
from grpo.eval.marker import ScorerOf
from grpo.eval.result import PLAN, claim, write_results
from grpo.eval.row import Row
from grpo.eval.score import scored
from grpo.eval.shelf import Shelf
from grpo.eval.task import Task
from grpo.eval.told import telling
from grpo.recipe.sections import Runtime, Sampling
from grpo.versions import versions


@dataclass(frozen=True)
class Evaluation:
    """What is asked of whom: all that must be the same for a folder to be gone on with.

    `checkpoint` names and hashes what answers, `engine` what samples may depend on besides. What
    goes into the results beside them: `about` as it is, `judging` (see `judging_of`) as a knob.

    >>> Evaluation((task,), Sampling(temperature=0.6, top_p=0.95), 0,
    ...            {"path": "models/smollm2", "sha256": "9f86..."}, {"engine": "vllm"})
    """

    tasks: tuple[Task, ...]
    sampling: Sampling
    seed: int
    checkpoint: Mapping[str, Any]
    engine: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    judging: Mapping[str, Any] = field(default_factory=dict)

    def plan(self) -> dict[str, Any]:
        """As plan.json holds it."""
        plain = {
            "checkpoint": dict(self.checkpoint),
            "sampling": self.sampling.model_dump(mode="json"),
            "seed": self.seed,
            "engine": dict(self.engine),
            "tasks": {task.name: task.plan() for task in self.tasks},
        }
        copied: dict[str, Any] = json.loads(json.dumps(plain))
        return copied


def judging_of(runtime: Runtime) -> dict[str, float]:
    """What a reward may take for a sample: beyond it the sample counts as wrong."""
    return {
        "reward_deadline": runtime.reward_deadline,
        "reward_memory_mib": runtime.reward_memory_mib,
    }


def conduct(
    folder: Path,
    evaluation: Evaluation,
    answerer: Answerer,
    scorer_of: ScorerOf,
    *,
    called: str | None = None,
    anew: bool = False,
) -> dict[str, Any]:
    """Run `evaluation` in `folder`, or go on with what is there; the results as written.

    What is `called` something says so how far it is. `anew` clears a folder that holds another plan
    instead of refusing it. Raises UserError for such a folder, for a question that cannot be put,
    and what rewards raise; samples that were drawn are kept then.
    """
    if anew and _is_another(folder, evaluation):
        shutil.rmtree(folder)
    claim(folder, evaluation.plan())
    shelf = Shelf(folder)
    there, started = shelf.rows(), time.monotonic()
    kept = {row.key for row in there}
    with _told(called, evaluation, there) as tell:
        rows = examine(evaluation.tasks, answerer, scorer_of, evaluation.seed, shelf, tell)
    seconds = time.monotonic() - started
    shelf.bind(rows)
    fresh = sum(row.tokens for row in rows if row.key not in kept)
    results = {
        **results_of(evaluation, rows),
        "engine": {**evaluation.engine, **answerer.facts()},
        "seconds": round(seconds, 1),
        "tokens_per_second": round(fresh / seconds, 1) if fresh and seconds else None,
        "samples_kept": sum(row.key in kept for row in rows),
    }
    write_results(folder, results)
    return results


def _told(
    called: str | None, evaluation: Evaluation, there: Sequence[Row]
) -> AbstractContextManager[Tell]:
    if called is None:
        return nullcontext(lambda rows: None)
    total = sum(len(task.problems) * task.k for task in evaluation.tasks)
    return telling(called, len({row.key for row in there if row.outcome}), total)


def results_of(evaluation: Evaluation, rows: Sequence[Row]) -> dict[str, Any]:
    """What the samples come to, without what hangs on a clock."""
    benchmarks = {
        task.name: {
            **task.about,
            **scored([row for row in rows if row.benchmark == task.name], task.marking),
        }
        for task in evaluation.tasks
    }
    knobs = {
        "sampling": evaluation.sampling.model_dump(mode="json"),
        "seed": evaluation.seed,
        "judging": dict(evaluation.judging),
    }
    return {
        "checkpoint": dict(evaluation.checkpoint),
        "knobs": knobs,
        **evaluation.about,
        "benchmarks": benchmarks,
        "versions": versions(),
    }


def _is_another(folder: Path, evaluation: Evaluation) -> bool:
    held = folder / PLAN
    return held.is_file() and json.loads(held.read_text()) != evaluation.plan()
