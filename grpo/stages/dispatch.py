"""Which function does which kind of stage."""

from pathlib import Path

from grpo.errors import UserError
from grpo.recipe.stages import (
    AnyStage,
    Compare,
    Distill,
    Evaluate,
    Pretrain,
    Reject,
    RewardModel,
    Rl,
    Sft,
)
from grpo.stages.compare import run_compare
from grpo.stages.distill import run_distill
from grpo.stages.evaluate import run_evaluate
from grpo.stages.pretrain import run_pretrain
from grpo.stages.reject import run_reject
from grpo.stages.rl import run_rl
from grpo.stages.sft import run_sft
from grpo.workbench.workbench import Workbench


def run_stage(stage: AnyStage, bench: Workbench, parent: Path | None, goal: int) -> Path:
    """Do `stage` up to step `goal`; the checkpoint that comes out."""
    if isinstance(stage, Pretrain):
        return run_pretrain(stage, bench, goal)
    assert parent is not None, "the recipe's own check keeps stages without a parent out"
    if isinstance(stage, Sft):
        return run_sft(stage, bench, parent, goal)
    if isinstance(stage, Rl):
        return run_rl(stage, bench, parent, goal)
    if isinstance(stage, Reject):
        return run_reject(stage, bench, parent)
    if isinstance(stage, Compare):
        return run_compare(stage, bench, parent)
    if isinstance(stage, Distill):
        return run_distill(stage, bench, parent, goal)
    if isinstance(stage, RewardModel):
        # Here, as TRL takes a second to load.
        from grpo.stages.reward_model import run_reward_model

        return run_reward_model(stage, bench, parent, goal)
    assert isinstance(stage, Evaluate)
    if stage.selection.checkpoint == "best":
        parent = _best(stage, bench)
    run_evaluate(stage, bench, parent)
    return parent


def _best(stage: Evaluate, bench: Workbench) -> Path:
    """The parent's checkpoint of the highest held-out score."""
    (trained,) = [s for s in bench.recipe.stages if s.name == stage.parent]
    assert isinstance(trained, Sft | Rl | Distill), "the recipe's check asks for an examined parent"
    best = bench.run.checkpoints(trained.name, trained.checkpoint).best()
    if best is None:
        raise UserError(
            f"stage {stage.name!r} asks for the best checkpoint of {trained.name!r}, and none was "
            "examined when it was saved: make checkpoint.every a multiple of evaluate_every"
        )
    return best.path
