"""Programs for the checkpoint tests to kill: each forks a writer, kills it, and looks at the disk.

They run outside pytest and import no torch, so that a hundred forks take a second or two. Each
prints one JSON object: what was seen.
"""

import json
import os
import random
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from grpo.checkpoint.store import CheckpointStore

# Python announces these before it does them; a kill at each covers every state of the disk.
_WRITES = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "shutil.rmtree"}


def write(folder: Path, step: int) -> None:
    """A checkpoint whose every file says which step it is of."""
    save_file({"w": np.full(2000, step, np.float32)}, folder / "model.safetensors")
    (folder / "trainer").mkdir()
    (folder / "trainer" / "state.json").write_text(json.dumps({"step": step}))


def is_right(folder: Path, step: int) -> bool:
    """True when every file in the folder is of that step."""
    state = json.loads((folder / "trainer" / "state.json").read_text())
    weights = load_file(folder / "model.safetensors")["w"]
    return bool(state == {"step": step} and (weights == step).all())


def in_child(work: Callable[[int], None], kill_after: float | None = None) -> tuple[bool, int]:
    """(was killed, last step that it reported) of a fork that runs `work(report descriptor)`."""
    reader, reporter = os.pipe()
    pid = os.fork()
    if pid == 0:
        work(reporter)
        os._exit(0)
    os.close(reporter)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    with os.fdopen(reader, "rb") as pipe:
        reports = pipe.read().split()
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the writer failed by itself"
    return os.WIFSIGNALED(status), int(reports[-1]) if reports else 0


def save_all(store: CheckpointStore, steps: list[int], reporter: int) -> None:
    """Saves the steps and reports each once `save` has returned."""
    for step in steps:
        store.save(step, lambda folder, step=step: write(folder, step), score=float(-(step % 3)))
        os.write(reporter, b"%d " % step)


def kill_at_write(number: int) -> None:
    """From here on, this process kills itself just before its write of that number."""
    seen = 0

    def hook(event: str, arguments: Any) -> None:
        nonlocal seen
        if event in _WRITES:
            seen += 1
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def hidden(root: Path) -> list[str]:
    """Leftovers in a store's folder."""
    return sorted(path.name for path in root.iterdir() if path.name.startswith("."))


def every_write(base: Path) -> dict[str, Any]:
    """A store that has steps 1 and 2 saves 3, then 3 again; killed before its 1st, 2nd, ... write.

    With keep_last=1 the second save replaces the only checkpoint there is.
    """
    errors, leftovers, number = [], set(), 0
    while True:
        number += 1
        store = CheckpointStore(base / str(number), keep_last=1, keep_best=False)
        save_all(store, [1, 2], os.open(os.devnull, os.O_WRONLY))

        def work(reporter: int, store: CheckpointStore = store, number: int = number) -> None:
            kill_at_write(number)
            save_all(store, [3, 3], reporter)

        killed, reported = in_child(work)
        leftovers |= {name[:5] for name in hidden(store.root)}
        newest = store.latest()
        if newest is None or newest.step < max(2, reported) or not is_right(*place(newest)):
            errors.append([number, reported, str(newest)])
        store.save(4, lambda folder: write(folder, 4))
        if hidden(store.root) or len(list(store.root.iterdir())) != 1:
            errors.append([number, "left", sorted(map(str, store.root.iterdir()))])
        if not killed:
            return {"kills": number - 1, "errors": errors, "leftovers": sorted(leftovers)}


def random_instants(root: Path, kills: int) -> dict[str, Any]:
    """A writer that saves step after step is killed at random and started again, many times."""
    draw = random.Random(0)
    store = CheckpointStore(root, keep_last=2, keep_best=True)
    errors, midway, step = [], 0, 0

    for _ in range(kills):
        steps = list(range(step + 1, step + 1000))
        _, reported = in_child(
            lambda reporter, steps=steps: save_all(store, steps, reporter),
            kill_after=draw.uniform(0.001, 0.02),
        )
        midway += bool(hidden(root)) if root.is_dir() else 0
        newest = store.latest()
        found = newest.step if newest else 0
        if found < max(step, reported) or (newest and not is_right(*place(newest))):
            errors.append([step, reported, found])
        step = found
    return {"errors": errors, "midway": midway, "steps": step}


def place(checkpoint: Any) -> tuple[Path, int]:
    """(folder, step) of a checkpoint."""
    return checkpoint.path, checkpoint.step


if __name__ == "__main__":
    os.fsync = lambda descriptor: None  # it guards against power cuts; a kill loses no page
    warnings.simplefilter("error")  # a broken checkpoint, which is warned of, must never be seen
    if sys.argv[1] == "every_write":
        print(json.dumps(every_write(Path(sys.argv[2]))))
    else:
        print(json.dumps(random_instants(Path(sys.argv[2]), kills=60)))
