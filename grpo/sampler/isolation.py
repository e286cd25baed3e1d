"""Keeps what an engine does to the process from reaching the trainer.

Starting one reseeds every random generator, rewrites environment variables that other libraries
read (LD_PRELOAD, LOCAL_WORLD_SIZE, ...), hangs handlers on the root logger and replaces the
exception hook. All of that is put back. Not undone, since the engine lives by it until it closes:
variables named VLLM_*, a gloo process group of one, a frozen garbage collector, memory bound to
the engine's NUMA node, and torch.set_num_threads, which does nothing.
"""

import logging
import os
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def own_randomness() -> Iterator[None]:
    """Inside, any use of the global generators; outside, as if there had been none."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


@contextmanager
def own_process_state() -> Iterator[None]:
    """Inside, an engine may start; outside, everything named above is as before."""
    environment, hook, root = dict(os.environ), sys.excepthook, logging.getLogger()
    handlers, level = list(root.handlers), root.level
    with own_randomness(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        try:
            yield
        finally:
            _restore_environment(environment)
            sys.excepthook = hook
            root.handlers[:] = handlers
            root.setLevel(level)


def _restore_environment(before: dict[str, str]) -> None:
    for name in {*os.environ, *before}:
        if name.startswith("VLLM_"):
            continue
        if name in before:
            os.environ[name] = before[name]
        else:
            del os.environ[name]
