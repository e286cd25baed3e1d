"""An sft stage as a command: killed anywhere it comes to the same bits; two processes are one."""

import json
import signal
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tiny_run
from tiny_run import Done

pytestmark = pytest.mark.slow

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")

RECIPE = """\
name: small
seed: 5
model: {path: tiny-base}
data: {path: "tiny:all", size: 40}
runtime: {threads: 1}
stages:
  - name: cold
    kind: sft
    data: {path: "tiny:cold_start", size: 48, held_out: 0.2}
    epochs: 1
    batch: 7
    packing: 160
    tokens_per_microbatch: 320
    optimizer: {lr: 3.0e-4, warmup_steps: 2}
    mtp_weight: 0.1
    balance: 1.0e-4
    router_bias: update
    evaluate_every: 3
    checkpoint: {every: 2, keep_last: 1, keep_best: false}
"""


def run(folder: Path, *words: object, fault: str = "none", prefix: tuple[str, ...] = ()) -> Done:
    recipe = folder.parent / "small.yaml"
    recipe.write_text(RECIPE)
    return tiny_run.grpo("run", recipe, "--dir", folder, *words, fault=fault, prefix=prefix)


def checkpoints(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints" / "cold").glob("*"))


def end(folder: Path) -> dict[str, Any]:
    """Every file of the last checkpoint, but the list of them, which says when they were made."""
    (last,) = (folder / "checkpoints" / "cold").glob("step-*")
    files = [path for path in last.rglob("*") if path.is_file() and path.name != "COMPLETE.json"]
    return {str(path.relative_to(last.parent)): path.read_bytes() for path in files}


def steps(folder: Path) -> int:
    (stage,) = json.loads((folder / "manifest.json").read_text())["stages"].values()
    return int(stage["planned"])


def kill_twice_and_stop(folder: Path) -> list[tuple[Done, list[str]]]:
    faults = ("tuning:3:KILL", "saving:4:KILL", "tuning:4:TERM", "none")
    return [(run(folder, fault=fault), checkpoints(folder)) for fault in faults]


@pytest.fixture(scope="module")
def folders(
    pool: ThreadPoolExecutor, tmp_path_factory: pytest.TempPathFactory
) -> "tuple[Path, Path, list[tuple[Done, list[str]]]]":
    """A straight run, one in pieces, and how each of its commands ended."""
    straight, broken = (tmp_path_factory.mktemp(name) / "run" for name in ("straight", "broken"))
    first: Future[Done] = pool.submit(run, straight)
    pieces = pool.submit(kill_twice_and_stop, broken)
    assert first.result().code == 0, first.result().err
    return straight, broken, pieces.result()


Folders = tuple[Path, Path, list[tuple[Done, list[str]]]]


def test_each_break_leaves_the_last_whole_checkpoint(folders: Folders) -> None:
    _, _, ((killed, first), (torn, second), (stopped, third), (last, _)) = folders
    assert (killed.code, first) == (-signal.SIGKILL, ["step-000002"])
    assert torn.code == -signal.SIGKILL
    assert second[0].startswith(".tmp-step-000004-") and second[1] == "step-000002"
    # SIGTERM in the fifth step: it is finished and saved, which no schedule asked for.
    assert (stopped.code, third) == (130, ["step-000005"])
    assert stopped.errors[0].startswith("stopped after step 5 of ")
    assert last.code == 0, last.err


def test_it_ends_like_a_run_without_a_break(folders: Folders) -> None:
    straight, broken, _ = folders
    assert tiny_run.metrics(broken) == tiny_run.metrics(straight)
    assert tiny_run.loads(broken) == tiny_run.loads(straight)
    assert [line["step"] for line in tiny_run.metrics(straight)] == list(range(steps(straight)))
    ours, theirs = end(broken), end(straight)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert any(name.endswith("trainer/optimizer.safetensors") for name in ours)


def test_two_processes_are_one(folders: Folders, tmp_path: Path) -> None:
    """Batches of an odd number of conversations too: the shares differ, what they come to not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "1")
        done = run(tmp_path / "pair", "--max-steps", "3", prefix=TORCHRUN)
    assert done.code == 0, done.err
    assert tiny_run.loads(tmp_path / "pair") == tiny_run.loads(folders[0])[:3]
    ours, theirs = tiny_run.metrics(tmp_path / "pair"), tiny_run.metrics(folders[0])[:3]
    assert len(ours) == 3
    for one, other in zip(ours, theirs, strict=True):
        assert one.pop("stage") == other.pop("stage")
        assert one == pytest.approx(other, rel=1e-5, abs=1e-6)


def test_what_is_done_is_not_done_again_and_other_conversations_are(folders: Folders) -> None:
    straight, _, _ = folders
    before = tiny_run.metrics(straight)
    assert run(straight).code == 0
    assert tiny_run.metrics(straight) == before
    again = run(straight, "stages.cold.data.config={mixed: 0.9}", "--max-steps", "1")
    assert again.code == 0, again.err
    assert "cold begins anew (data.config" in again.out
    assert len(tiny_run.metrics(straight)) == 1
