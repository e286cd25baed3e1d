"""Small real runs in processes of their own, and what two of them are compared by.

Nothing is faked: the shipped base, real rewards, real checkpoints; vLLM unless a run says plain.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

ROOT = Path(__file__).parents[1]
SOURCES = os.pathsep.join(str(ROOT / name) for name in (".", "data", "rewards", "tests"))
STEPS = 6

RECIPE = f"""\
name: small
seed: 5
model: {{path: tiny-base}}
data: {{path: "tiny:all", size: 400}}
rewards: {{accuracy: 1.0, format: 0.5, accuracy_lenient: 0.5}}
sampler: {{max_model_len: 256, max_num_seqs: 16, kv_cache_gib: 0.1}}
runtime: {{threads: 1}}
stages:
  - name: zero
    kind: rl
    steps: {STEPS}
    prompts: 4
    group_size: 4
    minibatches: 2
    tokens_per_microbatch: 512
    sampling: {{temperature: 1.0, max_tokens: 48}}
    objective: {{beta: 0.05}}
    optimizer: {{lr: 3.0e-4}}
    reference: {{refresh_every: 4}}
    router_bias: update
    evaluate_every: 2
    evaluate_problems: 12
    checkpoint: {{every: 2, keep_last: 1, keep_best: false}}
  - {{name: after, kind: evaluate, parent: zero, problems: 12, sampling: {{max_tokens: 48}}}}
"""

PLAIN = ("sampler.engine=plain", "stages.zero.evaluate_every=0", "stages.zero.steps=3")


@dataclass(frozen=True)
class Done:
    """How a command ended: its exit code (negative: the signal) and what it said."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """The lines on stderr, without warnings about the recipe and torch's about the machine."""
        said = (line for line in self.err.splitlines() if line.strip())
        return [line for line in said if not line.startswith(("warning: ", "[W"))]


def grpo(*words: object, fault: str = "none", prefix: Sequence[str] = ()) -> Done:
    """Run `grpo WORDS` with `fault`; `prefix` are words for python before the launcher."""
    done = subprocess.run(
        [sys.executable, *prefix, str(ROOT / "tests" / "launch.py"), fault, *map(str, words)],
        env={**os.environ, "PYTHONPATH": SOURCES, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def started(*words: object, cwd: Path | None = None) -> "subprocess.Popen[str]":
    """`grpo WORDS`, under way in `cwd`; what it says comes at once."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "launch.py"), "none", *map(str, words)],
        env={**os.environ, "PYTHONPATH": SOURCES, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(folder: Path, *words: object, fault: str = "none", prefix: Sequence[str] = ()) -> Done:
    """`grpo run` of RECIPE, which is written beside `folder`, into `folder`."""
    recipe = folder.parent / "small.yaml"
    recipe.write_text(RECIPE)
    return grpo("run", recipe, "--dir", folder, *words, fault=fault, prefix=prefix)


def whole(folder: Path, *words: object) -> Path:
    """A run that must end well; its folder."""
    done = run(folder, *words)
    assert done.code == 0, done.err
    return folder


def metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl, without what a clock said."""
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [{k: v for k, v in line.items() if not k.startswith("time/")} for line in lines]


def loads(folder: Path) -> list[dict[str, Any]]:
    """The lines of load.jsonl."""
    return [json.loads(line) for line in (folder / "load.jsonl").read_text().splitlines()]


def rollouts(folder: Path) -> dict[str, Any]:
    """Every rollout's rows, by file name."""
    files = sorted((folder / "rollouts" / "zero").glob("*.parquet"))
    return {file.name: pq.read_table(file).to_pylist() for file in files}


def checkpoint(folder: Path, step: int = STEPS) -> dict[str, bytes]:
    """Every file of the checkpoint after `step` steps, but for those that hang on a clock: where
    metrics.jsonl ended, and the list of all files with their hashes."""
    root = folder / "checkpoints" / "zero" / f"step-{step:06d}"
    files = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}
    timed = {"trainer/state.json", "COMPLETE.json"}
    return {name: path.read_bytes() for name, path in files.items() if name not in timed}


def assert_same_end(folder: Path, straight: Path, step: int = STEPS) -> None:
    """The two runs ended alike, bit for bit: weights, optimizer, reference, random numbers,
    metrics, load of experts, rollouts."""
    assert metrics(folder) == metrics(straight)
    assert loads(folder) == loads(straight)
    assert rollouts(folder) == rollouts(straight)
    ours, theirs = checkpoint(folder, step), checkpoint(straight, step)
    assert {"model.safetensors", "trainer/optimizer.safetensors"} < ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
