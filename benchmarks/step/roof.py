"""The roof over every step: how fast this machine multiplies and copies.

python benchmarks/step/roof.py
"""

import json
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context

SIDE, COPIED, TIMES = 2048, 2**28, 7
"""Of the square matrices; bytes of a copy; how often each is timed."""


@cache
def machine_roof() -> dict[str, float]:
    """`roof`, once, from a process of its own: torch's threads and memory end with it."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(roof).result()


def roof() -> dict[str, float]:
    """GFLOP/s of a matrix product, by dtype, and GB/s of a copy (read and write counted)."""
    import torch

    from grpo.threads import use_threads

    use_threads(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    found = {}
    for dtype in ("float32", "bfloat16"):
        a = torch.randn(SIDE, SIDE, device=device).to(getattr(torch, dtype))
        found[f"{dtype}_gflops"] = 2 * SIDE**3 / _seconds(lambda a=a: a @ a) / 1e9  # type: ignore[misc]
    source = torch.ones(COPIED // 4, device=device)
    target = torch.empty_like(source)
    found["copy_gbs"] = 2 * COPIED / _seconds(lambda: target.copy_(source)) / 1e9
    return found


def _seconds(work: Callable[[], object]) -> float:
    """Of one time, the middle of several after one that does not count."""
    from step.peak import settle

    taken = []
    for _ in range(TIMES + 1):
        start = time.perf_counter()
        work()
        settle()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])


if __name__ == "__main__":
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parents[1]))
    print(json.dumps(roof(), indent=1))
