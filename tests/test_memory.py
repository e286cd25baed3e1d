"""Freed memory is kept: a tensor that follows another of its size finds its pages there."""

import platform
import subprocess
import sys

import pytest

ASK = """
import resource, sys
from grpo.memory import keep_freed_memory
if "keep" in sys.argv:
    assert keep_freed_memory()
import torch
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**25)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults(), faults())
"""
SMALL_PAGES = 2**27 // 4096


def faults(*words: str) -> tuple[int, int]:
    """Pages that the kernel laid out for a tensor of 128 MiB, and for the next."""
    asked = [sys.executable, "-c", ASK, *words]
    first, second = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()
    return int(first), int(second)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it takes glibc")
def test_the_next_tensor_has_the_pages_of_the_last() -> None:
    assert faults()[1] > SMALL_PAGES / 1000
    assert faults("keep")[1] < SMALL_PAGES / 100
