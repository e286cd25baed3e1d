"""A run: the recipe's stages in order, each from its parent's checkpoint, whatever was done before.

What is finished is not done again; what was cut off goes on. Which stages hang on which is kept
to one rule here: a stage is done again when its parent's checkpoint is another one.
"""

import os
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

from grpo.checkpoint.atomic import atomic_write
from grpo.errors import Stopped, UserError
from grpo.model.load import base_folder
from grpo.recipe.dump import dump_recipe
from grpo.recipe.schema import Recipe
from grpo.recipe.stages import AnyStage, Evaluate, Pretrain, Rl
from grpo.report import write_report
from grpo.report.terminal import print_summary
from grpo.stages.evaluate import run_evaluate
from grpo.stages.pretrain import run_pretrain
from grpo.stages.rl import run_rl
from grpo.stages.run_directory import RunDirectory
from grpo.stages.same_run import claim
from grpo.stages.workbench import Workbench

PACKAGES = ("grpo-reasoning", "torch", "transformers", "vllm", "accelerate", "math-verify")


def run(recipe: Recipe, run_dir: Path, max_steps: int | None = None) -> Path:
    """Run `recipe` in `run_dir`, or go on with what is there; the report's path.

    `max_steps` ends every training stage there for now. Raises UserError for a folder that holds
    another recipe's run, Stopped when the user asked to stop.
    """
    _use_threads(recipe.runtime.threads)
    set_seed(recipe.seed)
    folder = RunDirectory(run_dir)
    accelerator = Accelerator()
    if accelerator.is_main_process:
        claim(folder, recipe)
        _note_start(folder, recipe)
    accelerator.wait_for_everyone()
    with Workbench(recipe, folder, accelerator) as bench:
        bench.prepare()
        checkpoints: dict[str, Path] = {}
        if recipe.model:
            checkpoints["base"] = base_folder(recipe.model)
        for stage in recipe.stages:
            try:
                _run_stage(stage, bench, checkpoints, max_steps)
            except (Stopped, KeyboardInterrupt) as stop:
                raise Stopped(
                    f"{str(stop) or 'stopped'}; the same command goes on from the last checkpoint"
                ) from stop
    if accelerator.is_main_process:
        write_report(run_dir)
        print_summary(run_dir)
    return folder.report


def _run_stage(
    stage: AnyStage, bench: Workbench, checkpoints: dict[str, Path], max_steps: int | None
) -> None:
    parent = checkpoints.get(stage.parent)
    before = bench.run.manifest()["stages"].get(stage.name, {})
    goal = _goal(stage, max_steps)
    parent_name = bench.run.named(parent) if parent else None
    if _is_done(before, parent_name, goal):
        checkpoints[stage.name] = bench.run.placed(before["checkpoint"])
        return
    started = time.monotonic()
    checkpoint = _dispatch(stage, bench, parent, goal)
    checkpoints[stage.name] = checkpoint
    if bench.accelerator.is_main_process:
        bench.run.note_stage(
            stage.name,
            kind=stage.kind,
            parent=stage.parent,
            parent_checkpoint=parent_name,
            steps=goal,
            seconds=round(before.get("seconds", 0.0) + time.monotonic() - started, 1),
            checkpoint=bench.run.named(checkpoint),
            status="done",
        )


def _dispatch(stage: AnyStage, bench: Workbench, parent: Path | None, goal: int) -> Path:
    if isinstance(stage, Pretrain):
        return run_pretrain(stage, bench, goal)
    assert parent is not None, "the recipe's own check keeps stages without a parent out"
    if isinstance(stage, Rl):
        return run_rl(stage, bench, parent, goal)
    assert isinstance(stage, Evaluate)
    if stage.selection.checkpoint == "best":
        parent = _best(stage, bench)
    run_evaluate(stage, bench, parent)
    return parent


def _best(stage: Evaluate, bench: Workbench) -> Path:
    """The parent's checkpoint of the highest held-out score."""
    (trained,) = [s for s in bench.recipe.stages if s.name == stage.parent]
    assert isinstance(trained, Rl), "the recipe's own check asks for a parent that is examined"
    best = bench.run.checkpoints(trained.name, trained.checkpoint).best()
    if best is None:
        raise UserError(
            f"stage {stage.name!r} asks for the best checkpoint of {trained.name!r}, and none was "
            "examined when it was saved: make checkpoint.every a multiple of evaluate_every"
        )
    return best.path


def _goal(stage: AnyStage, max_steps: int | None) -> int:
    steps = 0 if isinstance(stage, Evaluate) else stage.steps
    return min(steps, max_steps) if max_steps is not None else steps


def _is_done(before: dict[str, Any], parent: str | None, goal: int) -> bool:
    same_parent = before.get("parent_checkpoint") == parent
    return before.get("status") == "done" and same_parent and before["steps"] >= goal


def _note_start(folder: RunDirectory, recipe: Recipe) -> None:
    atomic_write(folder.recipe, dump_recipe(recipe))
    if "created" in folder.manifest():
        return
    folder.note(
        name=recipe.name,
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        seed=recipe.seed,
        versions={name: _version(name) for name in PACKAGES},
    )


def _version(package: str) -> str:
    for name in (package, f"{package}-cpu"):
        try:
            return version(name)
        except ImportError:
            continue
    return "not installed"


def _use_threads(threads: int) -> None:
    """Before the engine starts: afterwards the number is fixed."""
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    torch.set_num_threads(threads or max(1, (os.cpu_count() or 1) // processes))
