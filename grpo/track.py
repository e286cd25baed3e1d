"""Trackers behind one thin table: each takes a dict of numbers at a step.

Only what every tracker has is used. A tracker's package is imported when a recipe names it.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from grpo.errors import UserError


class Tracker(Protocol):
    """Somewhere numbers go."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Add the values at `step`."""

    def close(self) -> None:
        """Write out what is held back."""


class _TensorBoard:
    def __init__(self, folder: Path, project: str, name: str, start: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # Points of steps that a resumed run will write again are dropped from view.
        self._writer = SummaryWriter(str(folder / "tensorboard" / name), purge_step=start)

    def log(self, values: Mapping[str, float], step: int) -> None:
        for key, value in values.items():
            self._writer.add_scalar(key, value, step)

    def close(self) -> None:
        self._writer.close()


class _Hosted:
    """wandb, or trackio, which has wandb's own calls."""

    package = ""

    def __init__(self, folder: Path, project: str, name: str, start: int) -> None:
        try:
            self._api = __import__(self.package)
        except ImportError as error:
            raise UserError(
                f"track.to names {self.package}, which is not installed: pip install {self.package}"
            ) from error
        self._run = self._api.init(project=project, name=f"{folder.name}-{name}")

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._api.log(dict(values), step=step)

    def close(self) -> None:
        self._api.finish()


class _Trackio(_Hosted):
    package = "trackio"


class _Wandb(_Hosted):
    package = "wandb"


TRACKERS: dict[str, Callable[[Path, str, str, int], Tracker]] = {
    "tensorboard": _TensorBoard,
    "trackio": _Trackio,
    "wandb": _Wandb,
}


class Trackers:
    """All trackers of a recipe as one; `start` is the first step that will be logged."""

    def __init__(
        self, names: Sequence[str], folder: Path, project: str, stage: str, start: int
    ) -> None:
        self._all = [TRACKERS[name](folder, project, stage, start) for name in names]

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Send the values to every tracker."""
        for tracker in self._all:
            tracker.log(values, step)

    def close(self) -> None:
        """Close every tracker, each even if another fails."""
        with ExitStack() as closing:
            for tracker in self._all:
                closing.callback(tracker.close)
