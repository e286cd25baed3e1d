"""A server in a process of its own: watched, its words passed on, ended when we are.

vLLM's server waits for ever for requests that it has itself dropped when it is told to end in the
middle of them; so it is given a time, and no more.
"""

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO

GRACE_S = 5.0
"""Seconds a server has to end by itself."""

KEPT_LINES = 200
"""The last lines it said before it was ready, shown if it never was."""

_LOOK_S = 0.25


def watch(
    command: Sequence[str],
    environment: Mapping[str, str],
    is_ready: Callable[[], bool],
    tell: Callable[[], object],
    *,
    aloud: bool = False,
) -> int:
    """Run `command` until it ends, or Ctrl-C, SIGTERM or a closed terminal ends it; its exit code.

    That is 128 + n where signal n ended it, and 0 where we did. `tell` is called once `is_ready`.
    What it says before that is shown if it never comes so far, or `aloud`; what it says at an end
    it was told to make is not.
    """
    with _told_to_stop(), _process(command, environment) as server:
        assert server.stdout is not None
        words = _Words(server.stdout)
        if aloud:
            words.pass_on(all_of_it=True)
        is_told = False
        try:
            while (code := _ended(server)) is None:
                if not is_told and is_ready():
                    is_told = True
                    words.pass_on(all_of_it=False)
                    tell()
        except KeyboardInterrupt:
            words.hush()
            _end(server)
            return 0
        words.pass_on(all_of_it=True)
        words.wait()
        return code if code >= 0 else 128 - code


@contextmanager
def _process(
    command: Sequence[str], environment: Mapping[str, str]
) -> "Iterator[subprocess.Popen[bytes]]":
    # In a group of its own: Ctrl-C is ours to pass on, and no engine is left behind.
    server = subprocess.Popen(
        command,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield server
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _ended(server: "subprocess.Popen[bytes]") -> int | None:
    """Its exit code, or None after a moment."""
    try:
        return server.wait(_LOOK_S)
    except subprocess.TimeoutExpired:
        return None


def _end(server: "subprocess.Popen[bytes]") -> None:
    server.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        server.wait(GRACE_S)


@contextmanager
def _told_to_stop() -> Iterator[None]:
    """SIGTERM and a closed terminal are a Ctrl-C; not the latter under nohup."""
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP)}
    heard = [one for one, handler in before.items() if handler is not signal.SIG_IGN]
    for one in heard:
        signal.signal(one, signal.default_int_handler)
    try:
        yield
    finally:
        for one in heard:
            signal.signal(one, before[one])


class _Words:
    """What a process says: kept back at first, then passed on to stderr or let go."""

    def __init__(self, source: IO[bytes]) -> None:
        self._lock = threading.Lock()
        self._kept: deque[bytes] | None = deque(maxlen=KEPT_LINES)
        self._is_hushed = False
        self._thread = threading.Thread(target=self._listen, args=(source,), daemon=True)
        self._thread.start()

    def pass_on(self, *, all_of_it: bool) -> None:
        """From now on as they come; `all_of_it`: what was kept back first."""
        with self._lock:
            for line in (self._kept or ()) if all_of_it else ():
                _say(line)
            self._kept = None

    def hush(self) -> None:
        """Let everything go from now on."""
        with self._lock:
            self._is_hushed = True

    def wait(self) -> None:
        """Until the last word of a process that has ended is passed on."""
        self._thread.join(1)

    def _listen(self, source: IO[bytes]) -> None:
        for line in source:
            with self._lock:
                if self._kept is not None:
                    self._kept.append(line)
                elif not self._is_hushed:
                    _say(line)


def _say(line: bytes) -> None:
    sys.stderr.write(line.decode(errors="replace"))
    sys.stderr.flush()
