"""Writes are whole or absent: under kill -9, on a full disk, and when the writer raises."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from grpo.checkpoint.atomic import atomic_dir, atomic_write, sweep
from grpo.checkpoint.store import CheckpointStore
from grpo.errors import UserError

ROOT = Path(__file__).parents[1]


def run_victim(*arguments: str) -> dict[str, Any]:
    path = os.pathsep.join(str(ROOT / part) for part in (".", "rewards", "data"))
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "checkpoint_victim.py"), *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def dead_pid() -> int:
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_kill_before_every_single_write(tmp_path: Path) -> None:
    seen = run_victim("every_write", str(tmp_path))
    assert seen["errors"] == []
    # Two saves of two files and a mark, each created, hashed, synced and moved: dozens of writes;
    # some kills must have met a half-written folder, some the moment between the two renames.
    assert seen["kills"] > 40
    assert seen["leftovers"] == [".old-", ".tmp-"]


@pytest.mark.slow
def test_kill_at_random_instants(tmp_path: Path) -> None:
    seen = run_victim("random_instants", str(tmp_path / "checkpoints"))
    assert seen["errors"] == []
    assert seen["midway"] >= 5  # else the kills fell between the writes and prove nothing
    assert seen["steps"] >= 5


def test_everything_is_on_disk_before_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[int | str] = []
    fsync, rename = os.fsync, os.rename

    def logged_fsync(descriptor: int) -> None:
        log.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def logged_rename(source: Path, target: Path) -> None:
        log.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", logged_fsync)
    monkeypatch.setattr(os, "rename", logged_rename)
    with atomic_dir(tmp_path / "a") as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_text("x")
    before = log[: log.index("rename")]
    written = [tmp_path / "a", tmp_path / "a" / "sub", tmp_path / "a" / "sub" / "file"]
    assert {path.stat().st_ino for path in written} <= set(before)
    assert log[-1] == tmp_path.stat().st_ino  # the rename itself


def test_files_can_be_read_by_whom_the_umask_lets(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        with atomic_dir(tmp_path / "a") as folder:
            save_file({"w": torch.zeros(1)}, folder / "model.safetensors")
    finally:
        os.umask(old)
    assert (tmp_path / "a" / "model.safetensors").stat().st_mode & 0o777 == 0o644


def test_an_exception_leaves_the_old_folder(tmp_path: Path) -> None:
    with atomic_dir(tmp_path / "a") as folder:
        (folder / "f").write_text("old")
    with pytest.raises(RuntimeError, match="mine"), atomic_dir(tmp_path / "a") as folder:
        (folder / "f").write_text("new")
        raise RuntimeError("mine")
    assert (tmp_path / "a" / "f").read_text() == "old"
    assert hidden(tmp_path) == []


def test_a_rename_that_fails_brings_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with atomic_dir(tmp_path / "a") as folder:
        (folder / "f").write_text("old")
    rename = os.rename

    def failing(source: Path, target: Path) -> None:
        if source.name.startswith(".tmp-"):
            raise OSError(5, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(OSError, match="Input/output"), atomic_dir(tmp_path / "a") as folder:
        (folder / "f").write_text("new")
    assert (tmp_path / "a" / "f").read_text() == "old"
    assert hidden(tmp_path) == []


def test_replacing_leaves_only_the_new_files(tmp_path: Path) -> None:
    for name in ("old", "new"):
        with atomic_dir(tmp_path / "a") as folder:
            (folder / name).write_text(name)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["new"]
    assert hidden(tmp_path) == []


def test_sweep_takes_the_dead_and_leaves_the_living(tmp_path: Path) -> None:
    living = subprocess.Popen(["sleep", "60"])
    try:
        for pid in (living.pid, dead_pid()):
            (tmp_path / f".tmp-step-000001-{pid}").mkdir()
        (tmp_path / ".tmp-notes").write_text("not ours: no number")
        sweep(tmp_path)
        assert sorted(hidden(tmp_path)) == [".tmp-notes", f".tmp-step-000001-{living.pid}"]
    finally:
        living.kill()
        living.wait()


def test_sweep_brings_back_what_was_moved_aside(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f".old-{name}-{dead_pid()}").mkdir()
    (tmp_path / "b").mkdir()  # b was replaced before the writer died
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_atomic_write(tmp_path: Path) -> None:
    (tmp_path / f".tmp-m.json-{dead_pid()}").write_text("half")
    atomic_write(tmp_path / "new" / "m.json", "é")
    atomic_write(tmp_path / "m.json", b"1")
    atomic_write(tmp_path / "m.json", "2")
    assert (tmp_path / "new" / "m.json").read_bytes() == b"\xc3\xa9"
    assert (tmp_path / "m.json").read_text() == "2"
    assert hidden(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a tmpfs is not permitted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def save_floats(store: CheckpointStore, step: int, count: int) -> Path:
    weights = {"w": torch.zeros(count)}
    return store.save(step, lambda folder: save_file(weights, folder / "model.safetensors"))


def test_full_disk_keeps_the_last_good_checkpoint(small_disk: Path) -> None:
    store = CheckpointStore(small_disk / "checkpoints", keep_last=3, keep_best=False)
    good = save_floats(store, 1, 150_000)  # 0.6 MB of the 1.05 MB
    with pytest.raises(UserError) as full:
        save_floats(store, 2, 150_000)
    assert re.fullmatch(
        r"disk full while writing .*/step-000002: needs about 0\.6 MB, 0\.4 MB free; nothing was "
        rf"lost, the last good checkpoint is {good}; free some space and run the same command "
        "again",
        str(full.value),
    )
    newest = store.latest()
    assert newest is not None and newest.path == good
    assert [path.name for path in store.root.iterdir()] == ["step-000001"]
    save_floats(store, 2, 50_000)  # and with room enough it goes on
    again = store.latest()
    assert again is not None and again.step == 2


def test_full_disk_at_the_first_checkpoint_and_at_a_single_file(small_disk: Path) -> None:
    store = CheckpointStore(small_disk / "checkpoints", keep_last=1, keep_best=False)
    with pytest.raises(UserError, match=r"needs more than \d.*free; nothing was lost; free some"):
        save_floats(store, 1, 500_000)
    assert store.latest() is None
    atomic_write(small_disk / "manifest.json", "old")
    with pytest.raises(UserError, match=r"disk full while writing .*manifest\.json: needs about 2"):
        atomic_write(small_disk / "manifest.json", "x" * 2_000_000)
    assert (small_disk / "manifest.json").read_text() == "old"


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        OSError(122, "Disk quota exceeded"),
        Exception("I/O error: No space left on device (os error 28)"),  # as tokenizers says it
    ],
)
def test_a_full_disk_in_every_library_s_words(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(UserError, match="disk full"), atomic_dir(tmp_path / "a"):
        raise RuntimeError("could not save the tokenizer") from error
    assert list(tmp_path.iterdir()) == []


def test_other_system_errors_are_not_called_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), atomic_dir(tmp_path / "a"):
        raise PermissionError(13, "Permission denied")
