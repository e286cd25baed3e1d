"""Runs that several test files compare with, made once a session, two at a time."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import tiny_run


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
    return pool.submit(tiny_run.whole, tmp_path_factory.mktemp("straight") / "run")


@pytest.fixture(scope="session")
def straight(straight_run: "Future[Path]") -> Path:
    """The small run on vLLM, from its first step to its last without a break."""
    return straight_run.result()
