"""The golden run: ten steps of the tiny recipe, made small, and what they must come to.

`python tests/golden/record.py` draws the rollouts anew and records the numbers beside them;
`--numbers` keeps the rollouts. The test learns from these rollouts again, without a sampler.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from accelerate import Accelerator

from grpo.learning.learner import Learner
from grpo.learning.lesson import Teacher
from grpo.model.load import base_folder
from grpo.pipeline import run
from grpo.recipe.load import load_recipe
from grpo.recipe.schema import Recipe
from grpo.rollout.record import read_rollout
from grpo.run.run_directory import RunDirectory
from grpo.types import Rollout
from grpo.workbench.workbench import Workbench

HERE = Path(__file__).parent
NUMBERS = HERE / "numbers.json"
STEPS = 10
SMALL = (
    "sampler.kv_cache_gib=0.1",
    "stages.before.problems=1",
    "stages.after.problems=1",
    "stages.zero.prompts=4",
    "stages.zero.group_size=4",
    "stages.zero.sampling.max_tokens=72",
    "stages.zero.reference.refresh_every=4",
    "stages.zero.evaluate_every=0",
)
SHOWN = ("loss", "grad_norm", "kl", "entropy")


def recipe(*overrides: str) -> Recipe:
    """The tiny recipe, with fewer and shorter completions."""
    return load_recipe("tiny/r1_zero", (*SMALL, *overrides))


def rollouts() -> list[Rollout]:
    """The committed rollouts."""
    return [read_rollout(file) for file in sorted(HERE.glob("*.parquet"))]


def replay(recipe: Recipe, rollouts: Iterable[Rollout], work: Path) -> list[dict[str, float]]:
    """Learn from `rollouts` one after the other, from the base on; each step's numbers."""
    (stage,) = [stage for stage in recipe.stages if stage.kind == "rl"]
    assert recipe.model is not None
    steps = []
    with Workbench(recipe, RunDirectory(work), Accelerator()) as bench:
        learner = Learner(stage, bench, base_folder(recipe.model))
        teacher = Teacher(stage, learner.policy, learner.reference, recipe)
        for rollout in rollouts:
            metrics = learner.learn(rollout, teacher.lesson(rollout))
            learner.refresh_reference()
            steps.append({name: metrics[name] for name in SHOWN})
    return steps


def draw() -> None:
    """Replace the committed rollouts by those of a real run."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "run"
        run(recipe(), folder, max_steps=STEPS)
        for old in HERE.glob("*.parquet"):
            old.unlink()
        for file in (folder / "rollouts" / "zero").iterdir():
            shutil.copy(file, HERE / file.name)


if __name__ == "__main__":
    if "--numbers" not in sys.argv[1:]:
        draw()
    with tempfile.TemporaryDirectory() as scratch:
        numbers = replay(recipe(), rollouts(), Path(scratch))
    NUMBERS.write_text(json.dumps(numbers, indent=1) + "\n")
