"""Says "holds" where the walls hold (no second process, no socket, no sight of a hidden file) and
a program finds what it may count on: the standard library, threads, /dev/null.

Run once when a jail is chosen; whatever does not hold is the last line on stderr.
"""

import importlib
import os
import socket
import threading


def main(hidden: str) -> None:
    """Try what must fail; `hidden` is a path not to be seen in here, empty where none is hidden."""
    if hidden and os.path.exists(hidden):
        raise SystemExit(f"{hidden} can be seen inside")
    for forbidden in (os.fork, socket.socket):
        try:
            forbidden()
        except PermissionError:
            continue
        raise SystemExit(f"{forbidden.__name__} is not refused inside")
    importlib.import_module("statistics")
    with open(os.devnull, "w") as nothing:
        nothing.write("the device every program may count on")
    thread = threading.Thread(target=print, args=("holds",), kwargs={"end": ""})
    thread.start()
    thread.join()
