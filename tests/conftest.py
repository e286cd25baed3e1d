"""Runs that several test files compare with, made once a session."""

from pathlib import Path

import pytest
import tiny_run


@pytest.fixture(scope="session")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small run on vLLM, from its first step to its last without a break."""
    return tiny_run.whole(tmp_path_factory.mktemp("straight") / "run")
