"""Work on one stage, and what the manifest says of it before and after."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpo.metrics import FLOPS
from grpo.recipe.stages import AnyStage
from grpo.run.identity import Identity, file_hash, weights_hash
from grpo.run.run_directory import RunDirectory
from grpo.versions import versions


@dataclass(frozen=True)
class Work:
    """A stage to be worked on up to step `goal` of `planned`; `reasons` are why it begins anew, if
    it does.

    >>> Work(stage, Path("data/models/tiny-base"), 50, 50, identity, ["optimizer.lr 1e-4 -> 3e-4"])
    """

    stage: AnyStage
    parent: Path | None
    planned: int
    goal: int
    identity: Identity
    reasons: Sequence[str] = ()

    def begin(self, run: RunDirectory) -> None:
        """Set old outputs aside where they are of no use, and note what is begun."""
        name = self.stage.name
        before = run.manifest()["stages"].get(name, {})
        if self.reasons:
            run.note_stage(name, status="stale", why="; ".join(self.reasons))
            kept = run.set_aside(name)
            print(f"{name} begins anew ({'; '.join(self.reasons)}); what was there is in {kept}")
            before = {}
        elif before and before["planned"] != self.planned and self._decays:
            # Rollouts drawn ahead of the last checkpoint came from another schedule's policy.
            run.forget_rollouts(name)
        run.set_stage(
            name,
            kind=self.stage.kind,
            parent=self.stage.parent,
            parent_checkpoint=run.named(self.parent) if self.parent else None,
            status="running",
            planned=self.planned,
            steps=before.get("steps", 0),
            seconds=before.get("seconds", 0.0),
            versions=versions(),
            **self.identity.plain(),
        )

    def count(self, run: RunDirectory, seconds: float) -> None:
        """Add to the time the stage took, whether it came to its end or was stopped, and note
        what it computed."""
        name = self.stage.name
        so_far = run.manifest()["stages"][name]["seconds"]
        flops = run.metrics.total(name, FLOPS)
        computed = {"flops": flops} if flops else {}
        run.note_stage(name, seconds=round(so_far + seconds, 1), **computed)

    def end(self, run: RunDirectory, checkpoint: Path) -> None:
        """Note what came out."""
        has_scores = run.evaluation(self.stage.name).is_dir()
        scores = {"scores": run.scores(self.stage.name)} if has_scores else {}
        run.note_stage(
            self.stage.name,
            status="done",
            steps=self.goal,
            checkpoint=run.named(checkpoint),
            sha256=weights_hash(checkpoint),
            **scores,
            **_written(run, self.stage.name),
        )

    @property
    def _decays(self) -> bool:
        optimizer = getattr(self.stage, "optimizer", None)
        return optimizer is not None and optimizer.schedule != "constant"


def _written(run: RunDirectory, stage: str) -> dict[str, Any]:
    """The file of conversations that the stage made, if any."""
    file = run.conversations(stage)
    if not file.is_file():
        return {}
    with open(file, "rb") as lines:
        rows = sum(1 for _ in lines)
    return {"wrote": {"path": run.named(file), "sha256": file_hash(file), "rows": rows}}
