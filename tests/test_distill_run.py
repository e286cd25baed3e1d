"""A distill stage as a command: killed anywhere, it comes to the same bits."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tiny_run
from tiny_run import Done

pytestmark = pytest.mark.slow

RECIPE = """\
name: small
seed: 5
model: {path: tiny-base}
data: {path: "tiny:all", size: 400}
sampler: {max_model_len: 256, max_num_seqs: 16, kv_cache_gib: 0.1}
runtime: {threads: 1}
track: {to: []}
stages:
  - name: teacher
    kind: sft
    data: {path: "tiny:cold_start", size: 16}
    epochs: 2
    batch: 8
    optimizer: {lr: 1.0e-3}
  - name: pupil
    kind: distill
    parent: base
    teacher: stage:teacher
    steps: 4
    prompts: 6
    minibatches: 2
    tokens_per_microbatch: 512
    sampling: {max_tokens: 32}
    optimizer: {lr: 1.0e-3}
    checkpoint: {every: 2, keep_last: 1}
"""


def run(folder: Path, fault: str = "none") -> Done:
    recipe = folder.parent / "small.yaml"
    recipe.write_text(RECIPE)
    return tiny_run.grpo("run", recipe, "--dir", folder, fault=fault)


def end(folder: Path) -> dict[str, bytes]:
    """The last checkpoint's weights and optimizer. Its generators, from which nothing is drawn,
    stand where the process's own stages before it left them."""
    (last,) = (folder / "checkpoints" / "pupil").glob("step-*")
    names = ("model.safetensors", "trainer/optimizer.safetensors")
    return {name: (last / name).read_bytes() for name in names}


def test_it_ends_like_a_run_without_a_break(pool: ThreadPoolExecutor, tmp_path: Path) -> None:
    straight, broken = tmp_path / "straight" / "run", tmp_path / "broken" / "run"
    for folder in (straight, broken):
        folder.parent.mkdir()
    whole = pool.submit(run, straight)
    faults = ("sampling:pupil:1:KILL", "studying:2:KILL")
    assert [run(broken, fault).code for fault in faults] == [-signal.SIGKILL] * 2
    assert sorted(file.name for file in (broken / "checkpoints" / "pupil").glob("step-*")) == [
        "step-000002"
    ]
    last = run(broken)
    assert last.code == 0, last.err
    assert whole.result().code == 0, whole.result().err
    assert tiny_run.metrics(broken) == tiny_run.metrics(straight)
    assert end(broken) == end(straight)
    lines = [line for line in tiny_run.metrics(straight) if line["stage"] == "pupil"]
    assert len(lines) == 4 and all(line["kl"] > 0.01 for line in lines)
    assert computed(broken) == computed(straight)
    assert computed(straight)["pupil"] == sum(line["compute/flops"] for line in lines)


def computed(folder: Path) -> dict[str, Any]:
    """Each stage's FLOPs by the manifest."""
    stages = json.loads((folder / "manifest.json").read_text())["stages"]
    return {name: stage["flops"] for name, stage in stages.items()}
