"""A side in several processes that learn together, started as torchrun would start them."""

import os
import socket
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from step.spec import Spec


def start_others(serve: Callable[..., Any], spec: Spec, folder: Path) -> None:
    """Start ranks 1 and on of `spec.processes`, which run `serve` without a pipe, and make this
    process rank 0. Each has its share of the cores; all end with this one."""
    if spec.processes == 1:
        return
    import torch

    common = {
        "WORLD_SIZE": str(spec.processes),
        "LOCAL_WORLD_SIZE": str(spec.processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // spec.processes)),
    }
    os.environ.update(common if torch.cuda.is_available() else common | {"ACCELERATE_USE_CPU": "1"})
    for rank in range(spec.processes - 1, 0, -1):
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        started = get_context("spawn").Process(target=serve, args=(None, spec, folder), daemon=True)
        started.start()
    os.environ |= {"RANK": "0", "LOCAL_RANK": "0"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
