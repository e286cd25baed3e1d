"""Folders and files that appear whole under their final name, or do not appear.

A write goes to a hidden sibling, reaches the disk, and is renamed into place. There is no lock:
a folder is expected to have one writing process at a time.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grpo.checkpoint.disk_full import bytes_under, disk_full_error, is_disk_full

# ".tmp-step-000040-1234" is being written or deleted by process 1234; ".old-step-000040-1234" is a
# good folder that 1234 moved aside to put a new one in its place.
_LEFTOVER = re.compile(r"\.(?P<kind>tmp|old)-(?P<name>.+)-(?P<pid>\d+)")


@contextmanager
def atomic_dir(final: Path, *, expected_bytes: int = 0, last_good: str = "") -> Iterator[Path]:
    """Yields an empty folder to fill; on leaving, it is `final`, replacing what stood there.

    On any exception the half-written folder is removed and `final` is as it was. Leftovers of
    writers that died are swept first. `expected_bytes` and `last_good` only word the error.
    Raises UserError when the disk is full.
    """
    temp = _sibling(final, "tmp")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        sweep(final.parent)
        temp.mkdir()
        yield temp
        _settle(temp)
        _put_in_place(temp, final)
    except BaseException as error:
        written = bytes_under(temp)
        _delete(temp)
        restore(final.parent)
        if is_disk_full(error):
            raise disk_full_error(
                final, written=written, expected=expected_bytes, last_good=last_good
            ) from error
        raise


@contextmanager
def atomic_file(final: Path, *, expected_bytes: int = 0) -> Iterator[Path]:
    """Yields the path of a file to write; on leaving, it is `final`, replacing what stood there.

    On any exception what was written is removed and `final` is as it was. `expected_bytes` only
    words the error. Raises UserError when the disk is full.
    """
    temp = _sibling(final, "tmp")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        _delete_leftovers(final.parent, final.name)
        yield temp
        _fsync(temp)
        os.replace(temp, final)
        _fsync(final.parent)
    except BaseException as error:
        written = bytes_under(temp)
        temp.unlink(missing_ok=True)
        if is_disk_full(error):
            raise disk_full_error(
                final, written=written, expected=expected_bytes, last_good=""
            ) from error
        raise


def atomic_write(path: Path, content: bytes | str) -> None:
    """Writes one file whole (text as UTF-8), replacing what stood there.

    Raises UserError when the disk is full; the old file is then untouched.
    """
    data = content.encode() if isinstance(content, str) else content
    with atomic_file(path, expected_bytes=len(data)) as temp:
        temp.write_bytes(data)


def atomic_delete(folder: Path) -> None:
    """Deletes a folder so that it is never seen half there."""
    doomed = _sibling(folder, "tmp")
    _delete(doomed)
    os.rename(folder, doomed)
    _delete(doomed)


def restore(parent: Path) -> None:
    """Renames back every folder that a dead writer moved aside and did not replace."""
    for path, name in _leftovers(parent, "old"):
        if not (parent / name).exists():
            os.rename(path, parent / name)


def sweep(parent: Path) -> None:
    """Removes what dead writers left in `parent`, after bringing back what they moved aside."""
    restore(parent)
    for path, _ in _leftovers(parent, "old"):
        _delete(path)
    _delete_leftovers(parent)


def _delete_leftovers(parent: Path, wanted: str | None = None) -> None:
    for path, name in _leftovers(parent, "tmp"):
        if wanted in (None, name):
            _delete(path)


def _leftovers(parent: Path, kind: str) -> list[tuple[Path, str]]:
    """(leftover, name it stands for) of every dead writer."""
    if not parent.is_dir():
        return []
    found = [(path, _LEFTOVER.fullmatch(path.name)) for path in sorted(parent.iterdir())]
    return [
        (path, match["name"])
        for path, match in found
        if match and match["kind"] == kind and _is_dead(int(match["pid"]))
    ]


def _is_dead(pid: int) -> bool:
    # Our own number on a leftover means an earlier life: containers give out the same one again.
    if pid == os.getpid():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it lives, and belongs to another user
    return False


def _sibling(path: Path, kind: str) -> Path:
    return path.with_name(f".{kind}-{path.name}-{os.getpid()}")


def _put_in_place(temp: Path, final: Path) -> None:
    # Linux cannot rename a folder over a full one; a kill between the two renames is what
    # restore() mends.
    aside = _sibling(final, "old")
    if final.exists():
        os.rename(final, aside)
    os.rename(temp, final)
    _fsync(final.parent)
    _delete(aside)


def _settle(folder: Path) -> None:
    """Brings every file and folder under `folder` to the disk, with the modes the umask asks for.

    safetensors writes its files as 0600; another user who may enter the folder could not load them.
    """
    file_mode = folder.stat().st_mode & 0o666
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(file_mode)
        _fsync(path)
    _fsync(folder)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
