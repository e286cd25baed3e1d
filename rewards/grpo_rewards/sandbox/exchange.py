"""Feeds a process and hears it out, within a deadline and a bound on what it may say.

Both at once, because a process that is only fed, or only heard, can make its parent wait for ever.
"""

import os
import selectors
import time
from dataclasses import dataclass
from subprocess import Popen
from typing import IO, Literal

_CHUNK = 65536


@dataclass(frozen=True)
class Heard:
    """What a process said, and why no more was heard: it closed its output, the deadline (a
    monotonic time) passed, or it said more than it may.

    >>> Heard(b"7\\n", "closed")
    """

    data: bytes
    ended: Literal["closed", "deadline", "too much"]


def exchange(process: Popen[bytes], data: bytes, most: int, deadline: float) -> Heard:
    """Write `data` to the process's stdin; read its stdout, up to `most` bytes, until it ends."""
    assert process.stdin is not None and process.stdout is not None
    rest, heard = memoryview(data), bytearray()
    with selectors.DefaultSelector() as selector:
        _watch(selector, process.stdin, selectors.EVENT_WRITE)
        _watch(selector, process.stdout, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            for key, event in selector.select(left):
                if event == selectors.EVENT_WRITE:
                    rest = _write(key.fd, rest)
                    if not rest:
                        selector.unregister(process.stdin)
                        process.stdin.close()
                    continue
                chunk = os.read(key.fd, _CHUNK)
                heard += chunk
                if not chunk:
                    return Heard(bytes(heard), "closed")
                if len(heard) > most:
                    return Heard(bytes(heard[:most]), "too much")
    return Heard(bytes(heard), "deadline")


def _watch(selector: selectors.BaseSelector, stream: IO[bytes], event: int) -> None:
    os.set_blocking(stream.fileno(), False)
    selector.register(stream, event)


def _write(fd: int, data: memoryview) -> memoryview:
    """What is left of `data` after a write; nothing where nobody reads any more."""
    try:
        return data[os.write(fd, data[:_CHUNK]) :]
    except BlockingIOError:
        return data
    except BrokenPipeError:
        return data[:0]
