"""A pretrain stage as a command: killed anywhere it comes to the same bits."""

import signal
from pathlib import Path

import pytest
import tiny_run
from tiny_run import Done

pytestmark = pytest.mark.slow

RECIPE = """\
name: small
seed: 5
data: {path: "tiny:all", size: 300}
runtime: {threads: 1}
stages:
  - name: tiny
    kind: pretrain
    documents: 200
    steps: 6
    tokens_per_step: 1024
    vocab_size: 400
    balance: 1.0e-4
    optimizer: {lr: 2.0e-3, warmup_steps: 2}
    checkpoint: {every: 2, keep_last: 1, keep_best: false}
"""


def run(folder: Path, fault: str = "none") -> Done:
    recipe = folder.parent / "small.yaml"
    recipe.write_text(RECIPE)
    return tiny_run.grpo("run", recipe, "--dir", folder, fault=fault)


def end(folder: Path) -> dict[str, bytes]:
    """Every file of the last checkpoint, but the list of them, which says when they were made."""
    (last,) = (folder / "checkpoints" / "tiny").glob("step-*")
    assert last.name == "step-000006"
    files = [path for path in last.rglob("*") if path.is_file() and path.name != "COMPLETE.json"]
    return {str(path.relative_to(last)): path.read_bytes() for path in files}


def test_killed_twice_it_ends_like_a_run_without_a_break(tmp_path: Path) -> None:
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    assert run(straight).code == 0
    for fault in ("reading:3:KILL", "saving:4:KILL"):
        assert run(broken, fault).code == -signal.SIGKILL
    last = run(broken)
    assert last.code == 0, last.err
    assert tiny_run.metrics(broken) == tiny_run.metrics(straight)
    assert tiny_run.loads(broken) == tiny_run.loads(straight)
    ours, theirs = end(broken), end(straight)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert "trainer/optimizer.safetensors" in ours
