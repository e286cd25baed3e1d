"""The checkpoints of one stage: save one, find the newest or the best that is whole, prune.

What is inside a checkpoint is the writer's business; this file needs no torch.
"""

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from grpo.checkpoint.atomic import atomic_delete, atomic_dir, restore
from grpo.checkpoint.mark import BrokenCheckpoint, Mark, read_mark, verify, write_mark
from grpo.checkpoint.signals import shielded

_STEP_FOLDER = re.compile(r"step-(\d{6,})")


class BrokenCheckpointWarning(UserWarning):
    """A checkpoint was skipped because it is not what was written."""


@dataclass(frozen=True)
class Checkpoint:
    """One whole checkpoint: a folder that `from_pretrained` and vLLM load, and its score.

    >>> Checkpoint(Path("runs/zero/rl/checkpoints/step-000040"), step=40, score=0.61, bytes=91_004)
    """

    path: Path
    step: int
    score: float | None
    bytes: int

    @property
    def trainer(self) -> Path:
        """Folder of what a resumed run needs besides the weights."""
        return self.path / "trainer"

    @property
    def reference(self) -> Path | None:
        """Folder of the reference policy's weights, None when none was stored."""
        folder = self.trainer / "reference"
        return folder if folder.is_dir() else None


class CheckpointStore:
    """The folder `root` (`<stage>/checkpoints`) with one folder a step, `step-000040`.

    Keeps the newest `keep_last` (at least 1) and, with `keep_best`, the one of highest score.
    Broken checkpoints are counted for nothing and deleted by nobody; saving the same step again
    replaces one.
    """

    def __init__(self, root: Path, keep_last: int, keep_best: bool) -> None:
        if keep_last < 1:
            raise ValueError(
                f"keep_last is {keep_last}; keep at least 1 checkpoint, else a run cannot resume"
            )
        self.root = root
        self.keep_last = keep_last
        self.keep_best = keep_best

    def save(
        self, step: int, writer: Callable[[Path], None], *, score: float | None = None
    ) -> Path:
        """Lets `writer` fill an empty folder, makes it the checkpoint of `step`, then prunes.

        `score` is any number of which more is better. SIGINT and SIGTERM wait until it is done.
        Raises UserError when the disk is full; earlier checkpoints are then untouched.
        """
        final = self.folder(step)
        good = next(iter(self._intact()), None)
        with shielded():
            with atomic_dir(
                final,
                expected_bytes=good.bytes if good else 0,
                last_good=str(good.path) if good else "",
            ) as folder:
                writer(folder)
                write_mark(folder, score)
            self.prune()
        return final

    def folder(self, step: int) -> Path:
        """Where the checkpoint of `step` is, or would be."""
        return self.root / f"step-{step:06d}"

    def latest(self, *, hashes: bool = True) -> Checkpoint | None:
        """The newest whole checkpoint, or None. Newer broken ones are skipped with a warning.

        Sizes are always compared with what was written, contents unless `hashes` is False (which
        spares reading every byte).
        """
        return next(_whole(_newest_first(self.root), hashes), None)

    def best(self, *, hashes: bool = True) -> Checkpoint | None:
        """The whole checkpoint of highest score, the newest of equals; None when none has one."""
        return next(_whole([c.path for c in _ranked(self._intact())], hashes), None)

    def prune(self) -> None:
        """Deletes all whole checkpoints but the newest `keep_last` and the best."""
        intact = self._intact()
        kept = intact[: self.keep_last]
        if self.keep_best:
            kept += _ranked(intact)[:1]
        for checkpoint in intact:
            if checkpoint not in kept:
                atomic_delete(checkpoint.path)

    def _intact(self) -> list[Checkpoint]:
        """Newest first, all whose files have the right sizes; the others are left out silently."""
        found = []
        for folder in _newest_first(self.root):
            try:
                found.append(_open(folder, hashes=False))
            except BrokenCheckpoint:
                continue
        return found


def _whole(folders: list[Path], hashes: bool) -> Iterator[Checkpoint]:
    for folder in folders:
        try:
            yield _open(folder, hashes=hashes)
        except BrokenCheckpoint as reason:
            warnings.warn(
                f"checkpoint {folder} is broken and was skipped: {reason}",
                BrokenCheckpointWarning,
                stacklevel=3,
            )


def _newest_first(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    restore(root)
    folders = [path for path in root.iterdir() if _STEP_FOLDER.fullmatch(path.name)]
    return sorted(folders, key=_step_of, reverse=True)


def _step_of(folder: Path) -> int:
    return int(folder.name.removeprefix("step-"))


def _open(folder: Path, *, hashes: bool) -> Checkpoint:
    mark: Mark = read_mark(folder)
    verify(folder, mark, hashes=hashes)
    return Checkpoint(folder, _step_of(folder), mark.score, mark.total_bytes)


def _ranked(checkpoints: list[Checkpoint]) -> list[Checkpoint]:
    """Those with a score, best first, the newer of equals first."""
    scored = [(c.score, c.step, c) for c in checkpoints if c.score is not None]
    return [c for *_, c in sorted(scored, key=lambda entry: entry[:2], reverse=True)]
