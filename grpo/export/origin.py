"""Where a checkpoint comes from, as far as the files around it say: its run, stage and base.

Read without the recipe's schema, as the report is: a run of another version has a card too.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import metadata_load

from grpo.report.run_directory import RunDirectory, read_run


@dataclass(frozen=True)
class Origin:
    """A checkpoint with what is known of it. Outside of runs `run`, `stage` and `step` are None.

    >>> Origin(Path("runs/r1_zero/checkpoints/zero/step-000040"), run, "zero", 40)
    """

    folder: Path
    run: RunDirectory | None = None
    stage: str | None = None
    step: int | None = None

    @property
    def name(self) -> str:
        """`r1_zero-zero-step-000040`, or the folder's own."""
        if self.run is None or self.stage is None:
            return self.folder.resolve().name
        return f"{self.run.name}-{self.stage}-step-{self.step:06d}"

    @property
    def base(self) -> str | None:
        """The model that the run began with, as its recipe calls it."""
        path = _section(self.run, "model").get("path")
        return path if isinstance(path, str) else None

    @property
    def base_on_hub(self) -> str | None:
        """The same, where the run took it from the hub, whose cache names its folders so."""
        cached = f"models--{(self.base or '').replace('/', '--')}"
        is_cached = self.base_folder is not None and cached in self.base_folder.parts
        return self.base if is_cached else None

    @property
    def base_folder(self) -> Path | None:
        """Where the run found its base."""
        base = self.run.manifest.get("base") if self.run else None
        path = base.get("path") if isinstance(base, Mapping) else None
        return self.run.path / path if self.run and isinstance(path, str) else None

    @property
    def asked(self) -> Mapping[str, Any]:
        """The recipe's `prompt`: how questions were put in training."""
        return _section(self.run, "prompt")

    def licence(self) -> str | None:
        """The licence that the checkpoint's or its base's own card names; None where none does."""
        folders = [self.folder, *([self.base_folder] if self.base_folder else [])]
        named = (_metadata(folder / "README.md").get("license") for folder in folders)
        return next((name for name in named if isinstance(name, str)), None)


def origin_of(folder: Path) -> Origin:
    """The origin of the checkpoint in `folder`; its run's RUN/checkpoints/STAGE/step-N tells."""
    place = folder.resolve()
    match = re.fullmatch(r"step-(\d+)", place.name)
    if match is None or place.parents[1].name != "checkpoints":
        return Origin(folder)
    root = place.parents[2]
    if not (root / "manifest.json").is_file():
        return Origin(folder)
    return Origin(folder, read_run(root), place.parent.name, int(match[1]))


def _section(run: RunDirectory | None, name: str) -> Mapping[str, Any]:
    section = run.recipe.get(name) if run else None
    return section if isinstance(section, Mapping) else {}


def _metadata(card: Path) -> Mapping[str, Any]:
    if not card.is_file():
        return {}
    try:
        return metadata_load(card) or {}
    except ValueError:
        return {}
