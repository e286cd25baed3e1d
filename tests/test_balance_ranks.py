"""Balance on two gloo processes: load and losses are those of the whole batch, on both."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import ranks
import tiny_run
from small_policies import sequences

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes saw of every batch."""
    folder = tmp_path_factory.mktemp("ranks")
    command = (
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
        str(Path(ranks.__file__)), str(folder),
    )  # fmt: skip
    own = {"PYTHONPATH": tiny_run.SOURCES, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "1"}
    done = subprocess.run(
        command, env={**os.environ, **own}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.parametrize("count", ranks.BATCHES)
def test_two_processes_move_the_biases_as_one_does(pair: list[dict[str, Any]], count: int) -> None:
    """Of a batch of one, the second process has only a row that is the first's."""
    ours, theirs = (rank[str(count)] for rank in pair)
    assert ours == theirs and ours["processes"] == 2
    alone = ranks.outcome(count)
    assert alone["processes"] == 1
    assert ours["loads"] == alone["loads"]
    assert ours["biases"] == alone["biases"]
    assert ours["means"] == pytest.approx(alone["means"], abs=1e-5)
    # Every real token once, two experts each, in both layers.
    tokens = sum(sequences(count).lengths)
    assert [[sum(layer) for layer in load] for load in ours["loads"]] == [[2 * tokens] * 2] * 2
