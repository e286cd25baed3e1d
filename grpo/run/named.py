"""`runs/x:stage`: a checkpoint by its run and stage."""

from pathlib import Path

from grpo.checkpoint.store import CheckpointStore
from grpo.errors import UserError
from grpo.recipe.near import did_you_mean
from grpo.recipe.sections import Model
from grpo.run.run_directory import RunDirectory


def named_checkpoint(name: str) -> str:
    """The newest checkpoint of the stage that `RUN:STAGE` names; any other name as it is.

    Of a stage that made none of its own (an evaluation) it is the one it was about. Raises
    UserError for a stage that is not in the run or has no checkpoint yet.
    """
    root, colon, stage = name.rpartition(":")
    if not colon or Path(name).exists() or not (Path(root) / "manifest.json").is_file():
        return name
    run = RunDirectory(Path(root))
    newest = CheckpointStore(run.root / "checkpoints" / stage, 1, False).latest(hashes=False)
    if newest is not None:
        return str(newest.path)
    stages = run.manifest()["stages"]
    if stage not in stages:
        raise UserError(f"the run {root} has no stage {stage!r}{did_you_mean(stage, stages)}")
    if "checkpoint" not in stages[stage]:
        raise UserError(f"stage {stage!r} of {root} has no checkpoint yet; go on with its run")
    return str(run.placed(stages[stage]["checkpoint"]))


def outside(name: str) -> Path:
    """The folder of a parent or teacher that no stage of the run made: a folder's own path,
    RUN:STAGE, a shipped model or one of the hub. Raises UserError where there is none."""
    # Here, so that a name that is not there is told before torch loads.
    from grpo.model.load import base_folder

    return base_folder(Model(path=named_checkpoint(name)))
