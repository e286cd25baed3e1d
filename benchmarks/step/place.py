"""Where and on what a measurement ran: machine, versions, commit."""

import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

from grpo.versions import versions

ROOT = Path(__file__).parents[2]


def place() -> dict[str, Any]:
    """The processor or GPU, cores, how busy it was, versions, commit and time."""
    return {
        "device": _gpu() or _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": versions(),
        "commit": _git("describe", "--always", "--dirty", "--exclude=*"),
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def where(found: dict[str, Any]) -> str:
    """A place as one sentence for a document."""
    others = (pair for pair in found["versions"].items() if pair[0] != "grpo-reasoning")
    stands = ", ".join(f"{name} {of}" for name, of in others)
    on = f"{found['device']}, {found['cores']} cores"
    return f"On {on}; Python {found['python']}, {stands}; commit {found['commit']}."


def _gpu() -> str:
    """The first GPU's name, as the driver's own tool says it: torch would stay in memory."""
    try:
        told = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return ""
    return told.strip().partition("\n")[0]


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"
