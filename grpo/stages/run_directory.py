"""A run's folder: where everything of it lies, and the manifest that says what has been done."""

import json
from pathlib import Path
from typing import Any

from grpo.checkpoint.atomic import atomic_write
from grpo.checkpoint.store import CheckpointStore
from grpo.metrics import MetricsFile
from grpo.recipe.sections import Checkpoints


class RunDirectory:
    """Recipe, manifest, metrics, rollouts, checkpoints, evaluations and report under `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.recipe = root / "recipe.yaml"
        self.report = root / "report.html"
        self._manifest = root / "manifest.json"

    @property
    def metrics(self) -> MetricsFile:
        """The lines of all stages."""
        return MetricsFile(self.root / "metrics.jsonl")

    def rollouts(self, stage: str) -> Path:
        """The folder of a stage's rollouts."""
        return self.root / "rollouts" / stage

    def checkpoints(self, stage: str, knobs: Checkpoints) -> CheckpointStore:
        """A stage's checkpoints."""
        return CheckpointStore(self.root / "checkpoints" / stage, knobs.keep_last, knobs.keep_best)

    def evaluation(self, stage: str) -> Path:
        """An evaluation's results; its samples lie beside, as .parquet."""
        return self.root / "evaluations" / f"{stage}.json"

    def named(self, path: Path) -> str:
        """How the manifest calls a folder: relative where it lies in the run, so that a run can
        be moved and gone on with from anywhere."""
        inside = path.resolve().is_relative_to(self.root.resolve())
        return str(path.resolve().relative_to(self.root.resolve()) if inside else path.resolve())

    def placed(self, name: str) -> Path:
        """The folder that the manifest calls `name`."""
        return self.root / name

    def manifest(self) -> dict[str, Any]:
        """What has been done; empty for a new run."""
        if not self._manifest.exists():
            return {"stages": {}}
        manifest: dict[str, Any] = json.loads(self._manifest.read_text())
        return manifest

    def note(self, **entries: Any) -> None:
        """Add top-level entries to the manifest."""
        self._write(self.manifest() | entries)

    def note_stage(self, name: str, **entries: Any) -> None:
        """Add entries to a stage's part of the manifest."""
        manifest = self.manifest()
        manifest["stages"][name] = manifest["stages"].get(name, {}) | entries
        self._write(manifest)

    def _write(self, manifest: dict[str, Any]) -> None:
        atomic_write(self._manifest, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
