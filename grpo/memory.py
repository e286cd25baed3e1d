"""What becomes of memory that tensors give back: kept, as a caching allocator keeps a GPU's."""

import ctypes
import os

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # of glibc's <malloc.h>
_GROWTH_BYTES = 64 * 2**20


def keep_freed_memory() -> bool:
    """Have this process keep what its tensors give back, and large ones lie on huge pages. False
    where it cannot, for it takes glibc. Before torch's first tensor, or pages stay small.

    Else the kernel clears the pages of every micro-batch anew, which is a tenth of an update.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    told = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1), (_TOP_PAD, _GROWTH_BYTES))
    return all(mallopt(name, value) for name, value in told)
