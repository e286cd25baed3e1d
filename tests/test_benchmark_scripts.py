"""Every benchmark says what it wants: each imports what there is, whatever else it needs to run."""

import os
import subprocess
import sys

import pytest
import tiny_run

pytestmark = pytest.mark.slow

BENCHMARKS = tiny_run.ROOT / "benchmarks"
SCRIPTS = sorted([*BENCHMARKS.glob("*.py"), *(BENCHMARKS / "base").glob("*.py")])


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) > 10


def test_each_loads() -> None:
    """All in one process, by path, as a command does it but for its main."""
    code = "import runpy, sys\nfor file in sys.argv[1:]: runpy.run_path(file)"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, SCRIPTS)],
        env={**os.environ, "PYTHONPATH": tiny_run.SOURCES, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
