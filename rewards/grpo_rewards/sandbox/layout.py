"""What a jail lets its program see: the system's libraries and Python, read-only, and no more.

No /proc, no /etc but the loader's cache, no device but /dev/null, nobody's home. Where Python
lives in somebody's home, its executable and its libraries are shown and nothing beside them.
"""

import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PYTHON = str(Path(getattr(sys, "_base_executable", "") or sys.executable).resolve())
INSIDE = Path(__file__).parent / "inside"
HARNESS = "/harness"
WORK = "/work"
_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"),
    *("/nix/store", "/etc/ld.so.cache"),
)


@dataclass(frozen=True)
class Layout:
    """Directories to make, paths shown read-only as (source, target), links as (text, target).

    >>> Layout(("/opt",), (("/usr", "/usr"), ("/opt/py", "/opt/py")), (("usr/lib", "/lib"),))
    """

    directories: tuple[str, ...]
    shown: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]


@cache
def layout() -> Layout:
    """The layout for this interpreter on this system."""
    places = [Path(name) for name in _SYSTEM if Path(name).exists()]
    links = [(str(place.readlink()), str(place)) for place in places if place.is_symlink()]
    shown = [(str(place), str(place)) for place in places if not place.is_symlink()]
    shown += [(path, path) for path in _interpreter() if not path.startswith("/usr/")]
    shown.append((str(INSIDE), f"{HARNESS}/grpo_rewards/sandbox/inside"))
    targets = [*(target for _, target in shown), os.devnull, f"{WORK}/x"]
    return Layout(_parents(targets), tuple(shown), tuple(links))


def _interpreter() -> list[str]:
    """The executable and every folder of libraries below its prefixes, each once."""
    prefixes = [Path(name).resolve() for name in (sys.base_prefix, sys.base_exec_prefix)]
    folders = [str(prefix / name) for prefix in prefixes for name in ("lib", "lib64")]
    return [PYTHON, *dict.fromkeys(folder for folder in folders if Path(folder).is_dir())]


def _parents(targets: list[str]) -> tuple[str, ...]:
    """Every directory above the targets, outermost first, without the root."""
    above = [str(p) for target in targets for p in reversed(Path(target).parents)]
    return tuple(path for path in dict.fromkeys(above) if path != "/")
