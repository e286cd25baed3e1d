"""A reward_model stage as a command: killed anywhere it comes to the same bits; two processes are
one; a folder that is no reward model stops before anything is trained."""

import json
import shutil
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
  - name: helpful
    kind: reward_model
    part: answer
    data: {path: "tiny:helpful", size: 45, held_out: 0.2}
    batch: 8
    microbatch: 2
    optimizer: {lr: 3.0e-4, schedule: cosine, warmup_steps: 2}
    evaluate_pairs: 8
    checkpoint: {every: 2, keep_last: 1, keep_best: false}
"""


def run(folder: Path, *words: object, fault: str = "none", prefix: tuple[str, ...] = ()) -> Done:
    recipe = folder.parent / "small.yaml"
    recipe.write_text(RECIPE)
    return tiny_run.grpo("run", recipe, "--dir", folder, *words, fault=fault, prefix=prefix)


def checkpoints(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints" / "helpful").glob("*"))


def end(folder: Path) -> dict[str, Any]:
    """Every file of the last checkpoint and of what held-out pairs came to, but the list of files,
    which says when they were made."""
    (last,) = (folder / "checkpoints" / "helpful").glob("step-*")
    judged = folder / "evaluations" / "helpful"
    files = [path for path in (*last.rglob("*"), *judged.rglob("*")) if path.is_file()]
    kept = [path for path in files if path.name != "COMPLETE.json"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept}


def stage(folder: Path) -> dict[str, Any]:
    (found,) = json.loads((folder / "manifest.json").read_text())["stages"].values()
    return dict(found)


def kill_twice_and_stop(folder: Path) -> list[tuple[Done, list[str]]]:
    faults = ("preferring:3:KILL", "saving:4:KILL", "preferring:2:TERM", "none")
    return [(run(folder, fault=fault), checkpoints(folder)) for fault in faults]


Folders = tuple[Path, Path, list[tuple[Done, list[str]]]]


@pytest.fixture(scope="module")
def folders(pool: ThreadPoolExecutor, tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """A straight run, one in pieces, and how each of its commands ended."""
    straight, broken = (tmp_path_factory.mktemp(name) / "run" for name in ("straight", "broken"))
    first: Future[Done] = pool.submit(run, straight)
    pieces = pool.submit(kill_twice_and_stop, broken)
    assert first.result().code == 0, first.result().err
    return straight, broken, pieces.result()


def test_each_break_leaves_the_last_whole_checkpoint(folders: Folders) -> None:
    _, _, ((killed, first), (torn, second), (stopped, third), (last, _)) = folders
    assert (killed.code, first) == (-signal.SIGKILL, ["step-000002"])
    assert torn.code == -signal.SIGKILL
    assert second[0].startswith(".tmp-step-000004-") and second[1] == "step-000002"
    # SIGTERM in the third step: it is finished and saved, which no schedule asked for.
    assert (stopped.code, third) == (130, ["step-000003"])
    assert stopped.errors[0].startswith("stopped after step 3 of ")
    assert last.code == 0, last.err


def test_it_ends_like_a_run_without_a_break(folders: Folders) -> None:
    straight, broken, _ = folders
    assert tiny_run.metrics(broken) == tiny_run.metrics(straight)
    planned = stage(straight)["planned"]
    assert [line["step"] for line in tiny_run.metrics(straight)] == list(range(planned))
    ours, theirs = end(broken), end(straight)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert any(name.endswith("trainer/optimizer.safetensors") for name in ours)
    assert "evaluations/helpful/preferences.json" in ours
    assert set(stage(straight)["scores"]) == {"accuracy", "margin"}


def test_two_processes_are_one(folders: Folders, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "1")
        done = run(tmp_path / "pair", "--max-steps", "3", prefix=TORCHRUN)
    assert done.code == 0, done.err
    ours, theirs = tiny_run.metrics(tmp_path / "pair"), tiny_run.metrics(folders[0])[:3]
    assert len(ours) == 3
    # The least and the largest are means over microbatches in TRL's trainer, but of all processes.
    apart = {"stage", "min_reward", "max_reward"}
    for one, other in zip(ours, theirs, strict=True):
        numbers = [{k: v for k, v in line.items() if k not in apart} for line in (one, other)]
        assert numbers[0] == pytest.approx(numbers[1], rel=1e-4, abs=1e-5)


PAID = """\
name: paid
model: {{path: tiny-base}}
data: {{path: "tiny:general", size: 40}}
stages:
  - name: zero
    kind: rl
    rewards: {{reward_model: {{path: {path}}}}}
    steps: 1
    prompts: 2
    group_size: 2
"""


def test_a_reward_model_with_another_s_tokenizer_is_a_sentence(
    folders: Folders, tmp_path: Path
) -> None:
    (made,) = (folders[0] / "checkpoints" / "helpful").glob("step-*")
    judge = shutil.copytree(made, tmp_path / "judge")
    tokenizer = json.loads((judge / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary |= {f"word{number}": len(vocabulary) + number for number in range(100)}
    (judge / "tokenizer.json").write_text(json.dumps(tokenizer))
    recipe = tmp_path / "paid.yaml"
    recipe.write_text(PAID.format(path=judge))
    done = tiny_run.grpo("check", recipe)
    assert done.code == 2
    assert "is another model's: it has 1,120 tokens" in done.err and "for 1,024" in done.err
