"""`grpo eval`: one checkpoint on held-out problems, scores and intervals in the terminal."""

import json
import tempfile
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from rich.console import Console

from grpo.errors import UserError
from grpo.model.load import base_folder
from grpo.recipe.load import recipe_above
from grpo.recipe.schema import Recipe
from grpo.recipe.sections import Data, Model, SamplerConfig, Sampling
from grpo.recipe.stages import Evaluate, Rl
from grpo.report.terminal import before_after
from grpo.sampler.preflight import model_dtype, read_config
from grpo.stages.evaluate import run_evaluate
from grpo.stages.run_directory import RunDirectory
from grpo.stages.workbench import Workbench


def evaluate_checkpoint(
    checkpoint: str,
    *,
    data: str | None,
    problems: int | None,
    samples: int | None,
    temperature: float | None,
    top_p: float | None,
    max_tokens: int | None,
    engine: str | None,
    seed: int,
) -> None:
    """Score `checkpoint` and print the table; what is None is as in the run it lies in.

    `data` is scored whole, but for the tiny world's, whose held-out problems alone are. Raises
    UserError for a checkpoint outside of any run without `data`.
    """
    folder = base_folder(Model(path=checkpoint))
    run = recipe_above(folder)
    drawn = {"temperature": temperature, "top_p": top_p, "max_tokens": max_tokens}
    stage = _stage(run).model_copy(
        update={
            "sampling": _changed(_stage(run).sampling, drawn),
            **_given({"problems": problems, "samples": samples}),
        }
    )
    recipe = Recipe(
        name="eval",
        seed=seed,
        model=_model(run, folder),
        data=_data(run, data),
        stages=(stage,),
        **_shared(run, folder),
    )
    if engine:
        recipe = recipe.model_copy(update={"sampler": _changed(recipe.sampler, {"engine": engine})})
    with tempfile.TemporaryDirectory() as scratch:
        results = RunDirectory(Path(scratch))
        with Workbench(recipe, results, Accelerator()) as bench:
            run_evaluate(stage, bench, folder)
        scores = json.loads(results.evaluation(stage.name).read_text())
    Console(highlight=False).print(before_after([scores]))


def _stage(run: Recipe | None) -> Evaluate:
    """How the checkpoint's own run evaluates, or R1's protocol."""
    for stage in reversed(run.stages if run else ()):
        if isinstance(stage, Evaluate):
            return stage.model_copy(update={"name": "score", "parent": "base", "data": None})
    longest = [
        stage.sampling.max_tokens for stage in (run.stages if run else ()) if isinstance(stage, Rl)
    ]
    sampling = Sampling(temperature=0.6, top_p=0.95, max_tokens=max(longest, default=1024))
    return Evaluate(name="score", kind="evaluate", sampling=sampling)


def _data(run: Recipe | None, path: str | None) -> Data:
    if path is None:
        if run is None:
            raise UserError("the checkpoint lies in no run, so name the problems: --data PATH")
        return run.data
    columns = _columns(run.data) if run else {}
    return Data(path=path, held_out_path=None if path.startswith("tiny:") else path, **columns)


def _shared(run: Recipe | None, folder: Path) -> dict[str, Any]:
    """What the run had and a stage does not: the prompt, the engine and the machine."""
    if run:
        return {"prompt": run.prompt, "sampler": run.sampler, "runtime": run.runtime}
    usual = SamplerConfig()
    longest = read_config(folder).get("max_position_embeddings") or usual.max_model_len
    return {"sampler": _changed(usual, {"max_model_len": min(usual.max_model_len, longest)})}


def _columns(data: Data) -> dict[str, Any]:
    return data.model_dump(include={"question", "answer", "answer_after"})


def _model(run: Recipe | None, folder: Path) -> Model:
    held = run.model if run and run.model else Model(path="", dtype=_own_dtype(folder))
    return held.model_copy(update={"path": str(folder)})


def _own_dtype(folder: Path) -> Any:
    return model_dtype(read_config(folder))


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _changed(section: Any, values: dict[str, Any]) -> Any:
    return section.model_copy(update=_given(values))
