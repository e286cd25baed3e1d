"""Bad input: one sentence, exit code 2, and nothing that was there before is lost."""

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import tiny_run
from tiny_run import PLAIN, Done

PROBLEMS = [{"question": f"{n} + 4 = ?", "answer": str(n + 4)} for n in range(20)]


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    """A JSONL of twenty right problems."""
    file = tmp_path / "problems.jsonl"
    file.write_text("".join(json.dumps(problem) + "\n" for problem in PROBLEMS))
    return file


def sentence(done: Done) -> str:
    """The one sentence of a command that refused."""
    assert done.code == 2, done.err
    (line,) = done.errors
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


def files(folder: Path) -> dict[str, bytes]:
    """Every file under `folder` with what is in it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    done = tiny_run.run(tmp_path / "run", "model.path=models/none")
    said = sentence(done)
    assert said.startswith(
        "override 'model.path=models/none': key 'model.path': there is no folder"
    )
    assert not (tmp_path / "run").exists()


def test_a_column_that_is_not_there(problems: Path, tmp_path: Path) -> None:
    done = tiny_run.run(tmp_path / "run", f"data.path={problems}", "data.answer=anser")
    assert sentence(done) == (
        f"override 'data.path={problems}': key 'data.path': {problems}:1: no column 'anser'; "
        "the nearest is 'answer' (columns: 'question', 'answer')."
    )
    assert not (tmp_path / "run").exists()


def test_a_group_of_one(tmp_path: Path) -> None:
    said = sentence(tiny_run.run(tmp_path / "run", "stages.zero.group_size=1"))
    assert said.startswith("override 'stages.zero.group_size=1': key 'stages.zero.group_size'")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_broken_line_is_named(problems: Path, tmp_path: Path) -> None:
    lines = problems.read_text().splitlines()
    problems.write_text("\n".join([*lines[:2], '{"question": "3 +', *lines[3:]]))
    words = (*PLAIN, f"data.path={problems}", "data.size=20")
    assert sentence(tiny_run.run(tmp_path / "run", *words)).startswith(
        f"{problems}:3: not valid JSON"
    )


EACH = (*PLAIN, "stages.zero.checkpoint.every=1")


@pytest.fixture(scope="module")
def unbroken_run(
    pool: ThreadPoolExecutor, tmp_path_factory: pytest.TempPathFactory
) -> "Future[Path]":
    """The run of `unbroken`, while it is still under way."""
    return pool.submit(tiny_run.whole, tmp_path_factory.mktemp("unbroken") / "run", *EACH)


@pytest.fixture(scope="module")
def unbroken(unbroken_run: "Future[Path]") -> Path:
    """Three steps on the plain engine, with a checkpoint after each."""
    return unbroken_run.result()


@pytest.mark.slow
def test_nan_in_the_loss_stops_at_the_last_good_checkpoint(
    unbroken_run: "Future[Path]", tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    said = sentence(tiny_run.run(folder, *EACH, fault="poison:2:1"))
    good = folder / "checkpoints" / "zero" / "step-000002"
    assert said.startswith("stage 'zero', step 2, minibatch 1: loss nan, gradient norm nan; ")
    assert f"the last good checkpoint is {good}" in said
    assert len(tiny_run.metrics(folder)) == 2
    tiny_run.whole(folder, *EACH)
    tiny_run.assert_same_end(folder, unbroken_run.result(), 3)


@pytest.mark.slow
def test_a_folder_that_holds_another_recipes_run(unbroken: Path) -> None:
    there = files(unbroken)
    done = tiny_run.run(unbroken, *EACH, "name=large")
    assert sentence(done) == (
        f"{unbroken} holds a run of another recipe, 'small'; "
        "give another --dir, or remove that folder"
    )
    assert files(unbroken) == there


@pytest.fixture
def small_disk(unbroken: Path, tmp_path: Path) -> Iterator[Path]:
    """A disk with room for a run and its first checkpoint, but not for a second beside it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    checkpoint = unbroken / "checkpoints" / "zero" / "step-000003"
    size = sum(file.stat().st_size for file in checkpoint.rglob("*") if file.is_file())
    command = ["mount", "-t", "tmpfs", "-o", f"size={size * 3 // 2}", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("a small disk is a tmpfs, which only root can mount")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_a_disk_that_fills_during_a_checkpoint(small_disk: Path, unbroken: Path) -> None:
    said = sentence(tiny_run.run(small_disk / "run", *EACH))
    checkpoints = small_disk / "run" / "checkpoints" / "zero"
    assert said.startswith(f"disk full while writing {checkpoints / 'step-000002'}: needs about ")
    assert f"the last good checkpoint is {checkpoints / 'step-000001'}; free some space" in said
    assert [path.name for path in checkpoints.iterdir()] == ["step-000001"]
    assert tiny_run.checkpoint(small_disk / "run", 1)
    subprocess.run(["mount", "-o", "remount,size=1G", str(small_disk)], check=True)
    tiny_run.whole(small_disk / "run", *EACH)
    tiny_run.assert_same_end(small_disk / "run", unbroken, 3)


@pytest.mark.slow
def test_a_launch_that_casts_behind_the_recipe_s_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    said = sentence(tiny_run.run(tmp_path / "run", *PLAIN))
    assert said.startswith("accelerate is set to mixed precision bf16")
    assert not (tmp_path / "run").exists()
