"""A run: the recipe's stages in order, each from its parents, whatever was done before.

What is finished and unchanged is not done again; what was cut off goes on; what changed, or hangs
on what changed, begins anew, and its old outputs are set aside.
"""

import time
from pathlib import Path

from accelerate.utils import set_seed

from grpo.checkpoint.atomic import atomic_write
from grpo.errors import Stopped
from grpo.machine import prepare_process
from grpo.recipe.dump import dump_recipe
from grpo.recipe.schema import Recipe
from grpo.report import write_report
from grpo.report.terminal import print_summary
from grpo.run.plan import Asked, Plan
from grpo.run.run_directory import RunDirectory
from grpo.run.same_run import claim
from grpo.run.work import Work
from grpo.stages.dispatch import run_stage
from grpo.train.distributed import processes
from grpo.versions import versions
from grpo.workbench.base import check_base
from grpo.workbench.workbench import Workbench

EVERYTHING = Asked()


def run(recipe: Recipe, run_dir: Path, asked: Asked = EVERYTHING) -> Path:
    """Run `recipe` in `run_dir`, or go on with what is there; the report's path.

    `asked` narrows the run to a stage, begins anew at one, or ends training stages early. Raises
    UserError for a folder that holds another recipe's run, Stopped when the user asked to stop.
    """
    prepare_process(recipe.runtime)
    set_seed(recipe.seed)
    folder = RunDirectory(run_dir)
    accelerator = processes()
    plan = Plan(recipe, folder, asked)
    if accelerator.is_main_process:
        claim(folder, recipe)
        _note_start(folder, recipe)
        plan.begin()
    accelerator.wait_for_everyone()
    with Workbench(recipe, folder, accelerator) as bench:
        bench.prepare()
        for stage in recipe.stages:
            work = plan.work(stage, lambda one: bench.steps(bench.resolved(one)))
            accelerator.wait_for_everyone()
            if work is not None:
                _do(work, bench)
    if accelerator.is_main_process:
        plan.finish()
        write_report(run_dir)
        print_summary(run_dir)
    return folder.report


def _do(work: Work, bench: Workbench) -> None:
    """A stage's work, and the manifest's word of it before and after."""
    check_base(bench.recipe)
    is_main = bench.accelerator.is_main_process
    if is_main:
        work.begin(bench.run)
    bench.accelerator.wait_for_everyone()
    started = time.monotonic()
    try:
        checkpoint = run_stage(bench.resolved(work.stage), bench, work.parent, work.goal)
    except (Stopped, KeyboardInterrupt) as stop:
        raise Stopped(
            f"{str(stop) or 'stopped'}; the same command goes on from the last checkpoint"
        ) from stop
    finally:
        if is_main:
            work.count(bench.run, time.monotonic() - started)
    if is_main:
        work.end(bench.run, checkpoint)
    bench.accelerator.wait_for_everyone()


def _note_start(folder: RunDirectory, recipe: Recipe) -> None:
    atomic_write(folder.recipe, dump_recipe(recipe))
    if "created" not in folder.manifest():
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        folder.note(name=recipe.name, created=created, seed=recipe.seed, versions=versions())
