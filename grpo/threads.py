"""How many CPU threads torch computes with."""

import os

import torch


def use_threads(threads: int) -> None:
    """Set torch's threads, 0 for one a core; before the engine starts, afterwards it is fixed."""
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    torch.set_num_threads(threads or max(1, (os.cpu_count() or 1) // processes))
