"""Runs that several test files compare with, made once a session, two at a time."""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import tiny_run
from filelock import FileLock


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, so that no process ends alone with it."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(autouse=True)
def own_precision() -> Iterator[None]:
    """A Trainer of TRL leaves its mixed precision to all who ask accelerate after it."""
    yield
    if accelerate := sys.modules.get("accelerate"):
        state = accelerate.state.AcceleratorState
        if state._shared_state.get("_mixed_precision", "no") != "no":
            state._reset_state()


@pytest.fixture(scope="session")
def pool() -> Iterator[ThreadPoolExecutor]:
    """Waits for runs, which are processes of one thread each: two at a time, for two cores."""
    with ThreadPoolExecutor(2) as two:
        yield two


@pytest.fixture(scope="session")
def straight_run(
    pool: ThreadPoolExecutor, tmp_path_factory: pytest.TempPathFactory
) -> "Future[Path]":
    """The run of `straight`, while it is still under way."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    return pool.submit(_once, shared / "straight")


def _once(folder: Path) -> Path:
    """The run in `folder`, which the first of the test processes to come makes for all."""
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):
        run = folder / "run"
        return run if (run / "report.html").exists() else tiny_run.whole(run)


@pytest.fixture(scope="session")
def straight(straight_run: "Future[Path]") -> Path:
    """The small run on vLLM, from its first step to its last without a break."""
    return straight_run.result()
