"""Recognises a full disk in whatever exception it arrives, and says it in one sentence.

Freeing space is left to the user: deleting checkpoints to make room for one could lose the run.
"""

import errno
import shutil
from pathlib import Path

from grpo.errors import UserError

# EDQUOT is a user's quota, EFBIG a limit on the size of one file: the same news for the reader.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# safetensors and tokenizers raise exceptions of their own, with the number only in their text.
_FULL_TEXTS = tuple(f"(os error {number})" for number in sorted(_FULL))


def is_disk_full(error: BaseException) -> bool:
    """True when the error, or one that it was raised from, is the system's "no room left"."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _FULL:
            return True
        if any(text in str(seen) for text in _FULL_TEXTS):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def disk_full_error(path: Path, *, written: int, expected: int, last_good: str) -> UserError:
    """The sentence for a write that ran out of room.

    `written` is what fitted (bytes), `expected` the size a like write had before (0: none yet),
    `last_good` the checkpoint still there, as text. Call it after the half-written files are gone,
    so that the free space it names is what the user has.
    """
    free = shutil.disk_usage(next(p for p in path.absolute().parents if p.exists())).free
    size = f"about {_mb(expected)}" if expected > written else f"more than {_mb(written)}"
    good = f", the last good checkpoint is {last_good}" if last_good else ""
    return UserError(
        f"disk full while writing {path}: needs {size} MB, {_mb(free)} MB free; "
        f"nothing was lost{good}; free some space and run the same command again"
    )


def bytes_under(path: Path) -> int:
    """Bytes in a file, or in all files of a folder; 0 when it is not there."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f}"
