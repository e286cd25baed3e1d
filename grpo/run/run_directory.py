"""A run's folder: where everything of it lies, and the manifest that says what has been done."""

import json
import shutil
from pathlib import Path
from typing import Any

from grpo.checkpoint.atomic import atomic_write
from grpo.checkpoint.store import CheckpointStore
from grpo.eval.result import GENERAL, estimates
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

    @property
    def load(self) -> MetricsFile:
        """What the experts of all stages had to do."""
        return MetricsFile(self.root / "load.jsonl")

    def rewind(self, stage: str, step: int = 0) -> None:
        """Forget what was logged of `stage` from `step` on."""
        for log in (self.metrics, self.load):
            log.rewind(stage, step)

    def rollouts(self, stage: str) -> Path:
        """The folder of a stage's rollouts."""
        return self.root / "rollouts" / stage

    def checkpoints(self, stage: str, knobs: Checkpoints) -> CheckpointStore:
        """A stage's checkpoints."""
        return CheckpointStore(self.root / "checkpoints" / stage, knobs.keep_last, knobs.keep_best)

    def conversations(self, stage: str) -> Path:
        """The file of rows that a reject or compare stage writes."""
        return self.root / "data" / f"{stage}.jsonl"

    def evaluation(self, stage: str) -> Path:
        """The folder of an evaluation: its results and every sample."""
        return self.root / "evaluations" / stage

    def pairs(self, stage: str) -> tuple[Path, Path]:
        """What held-out pairs came to under a stage's reward model, and the scores of each."""
        folder = self.evaluation(stage)
        return folder / "preferences.json", folder / "pairs.jsonl"

    def overlap(self, stage: str | None) -> Path:
        """What the gate found between the recipe's problems, or a `stage`'s own, and benchmarks."""
        return self.root / (f"overlap-{stage}.json" if stage else "overlap.json")

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

    def set_stage(self, name: str, **entries: Any) -> None:
        """Replace a stage's part of the manifest, its place among the others kept."""
        manifest = self.manifest()
        manifest["stages"][name] = entries
        self._write(manifest)

    def set_aside(self, stage: str) -> Path:
        """Move all that a stage left under superseded/, in place of what lay there of it."""
        aside = self.root / "superseded" / stage
        pieces = [
            piece
            for folder in sorted(self.root.iterdir())
            if folder.is_dir() and folder.name != aside.parent.name
            for piece in folder.iterdir()
            if piece.name == stage or piece.name.startswith(f"{stage}.")
        ]
        if pieces:
            shutil.rmtree(aside, ignore_errors=True)
        for piece in pieces:
            (aside / piece.parent.name).mkdir(parents=True, exist_ok=True)
            piece.rename(aside / piece.parent.name / piece.name)
        self.rewind(stage)
        return aside

    def forget_rollouts(self, stage: str) -> None:
        """Delete the rollouts of a stage that its newest checkpoint has not learnt from."""
        newest = CheckpointStore(self.root / "checkpoints" / stage, 1, False).latest(hashes=False)
        for file in self.rollouts(stage).glob("step-*.parquet"):
            if int(file.stem.removeprefix("step-")) >= (newest.step if newest else 0):
                file.unlink()

    def scores(self, stage: str) -> dict[str, float]:
        """The means an evaluation came to: verdicts, rewards that looked on (`NAME`), and how
        often they preferred it (`NAME/win`); of problems without a right answer as `general/...`.
        Of a reward model, how often it prefers the better of two, and by how much.
        """
        preferred, _ = self.pairs(stage)
        if preferred.is_file():
            told = json.loads(preferred.read_text())
            return {"accuracy": told["accuracy"]["value"], "margin": told["margin"]}
        results = json.loads((self.evaluation(stage) / "results.json").read_text())
        found = {
            name if benchmark != GENERAL else f"{GENERAL}/{name}": score["value"]
            for benchmark, told in results["benchmarks"].items()
            for name, score in estimates(told).items()
        }
        return {name: value for name, value in found.items() if value is not None}

    def _write(self, manifest: dict[str, Any]) -> None:
        atomic_write(self._manifest, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
