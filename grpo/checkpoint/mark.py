"""COMPLETE.json: the last file written into a checkpoint, which lists all the others.

{"score": 0.61, "files": {"config.json": {"bytes": 812, "sha256": "9f86..."}, ...}}

It tells damage from health; it is no signature, and does not guard against an attacker.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpo.checkpoint.atomic import atomic_write

MARK = "COMPLETE.json"


class BrokenCheckpoint(ValueError):
    """A checkpoint folder that is not what was written; the text says which file and how."""


@dataclass(frozen=True)
class FileMark:
    """Size in bytes and SHA-256 (hex) of one file.

    >>> FileMark(bytes=812, sha256="9f86d081884c7d65...")
    """

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Mark:
    """What COMPLETE.json says; file names are relative to the checkpoint, with forward slashes.

    >>> Mark(score=0.61, files={"config.json": FileMark(812, "9f86d081884c7d65...")})
    """

    score: float | None
    files: Mapping[str, FileMark]

    @property
    def total_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(file.bytes for file in self.files.values())


def write_mark(folder: Path, score: float | None) -> None:
    """Lists every file under `folder` in its COMPLETE.json; a score that is not finite is none."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    listed = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        for path in files
    }
    finite = score if score is not None and math.isfinite(score) else None
    atomic_write(folder / MARK, json.dumps({"score": finite, "files": listed}, indent=1))


def read_mark(folder: Path) -> Mark:
    """The mark of a checkpoint. Raises BrokenCheckpoint when it is missing or cannot be read."""
    try:
        raw = json.loads((folder / MARK).read_text())
        return Mark(raw["score"], {name: FileMark(**file) for name, file in raw["files"].items()})
    except FileNotFoundError:
        raise BrokenCheckpoint(f"it has no {MARK}, so its write never finished") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BrokenCheckpoint(f"{MARK} cannot be read ({error})") from error


def verify(folder: Path, mark: Mark, *, hashes: bool) -> None:
    """Compares every file's size with the mark, and with `hashes` its content too.

    Raises BrokenCheckpoint on the first difference.
    """
    for name, expected in mark.files.items():
        try:
            _verify_file(folder / name, name, expected, hashes=hashes)
        except OSError as error:
            raise BrokenCheckpoint(f"{name} cannot be read ({error.strerror})") from error


def _verify_file(path: Path, name: str, expected: FileMark, *, hashes: bool) -> None:
    size = path.stat().st_size
    if size != expected.bytes:
        raise BrokenCheckpoint(f"{name} has {size} bytes, {expected.bytes} were written")
    if hashes and _sha256(path) != expected.sha256:
        raise BrokenCheckpoint(f"{name} is not what was written (its SHA-256 differs)")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest: Any = hashlib.file_digest(file, "sha256")
    return str(digest.hexdigest())
