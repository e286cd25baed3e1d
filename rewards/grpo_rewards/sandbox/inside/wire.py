"""Messages over a pipe: four bytes of length, then JSON.

A message that is longer than any honest one ends the conversation.
"""

import json
import os
from typing import Any, BinaryIO

HEAD = 4
# Said before a line of the program runs: without it, what went wrong was not the program.
HELLO = "here"
_MOST = 2**25
_DEVNULL = "/dev/null"


def send(stream: BinaryIO, message: Any) -> None:
    """Write one message; ValueError where it is too long or no JSON."""
    stream.write(packed(message))
    stream.flush()


def packed(message: Any) -> bytes:
    """One message in its bytes; ValueError where it is too long."""
    data = json.dumps(message).encode()
    if len(data) > _MOST:
        raise ValueError(f"a message of {len(data)} bytes is more than {_MOST}")
    return len(data).to_bytes(HEAD, "big") + data


def receive(stream: BinaryIO) -> Any:
    """The next message; EOFError where there is none, ValueError where it is none."""
    length = int.from_bytes(_exactly(stream, HEAD), "big")
    if length > _MOST:
        raise ValueError(f"a message of {length} bytes is more than {_MOST}")
    return json.loads(_exactly(stream, length))


def take_standard_streams() -> tuple[BinaryIO, BinaryIO]:
    """This process's stdin and stdout for messages; what prints or reads gets /dev/null instead."""
    heard, said = (os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb"))
    nothing = os.open(_DEVNULL, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    os.close(nothing)
    return heard, said


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = stream.read(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data
