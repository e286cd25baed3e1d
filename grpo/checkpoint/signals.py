"""Ctrl-C and SIGTERM at a moment of our choosing: after the write in hand, or after the step.

What a stop means (a checkpoint, a sentence, an exit code) is the caller's; SIGKILL is nobody's.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType, TracebackType
from typing import Any

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def shielded() -> Iterator[None]:
    """SIGINT and SIGTERM that arrive inside wait until the end, then are delivered, each as often.

    Outside the main thread it does nothing: Python runs signal handlers in the main thread only.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    previous = _install(lambda number, frame: waiting.append(number))
    # A stack, because a delivery that raises must not swallow the deliveries after it.
    with ExitStack() as deliveries:
        try:
            yield
        finally:
            _reinstall(previous)
            for number in reversed(waiting):
                deliveries.callback(signal.raise_signal, number)


class StopRequest:
    """Turns the first SIGINT or SIGTERM into a flag for the training loop; a later SIGINT kills.

    >>> with StopRequest() as stop:
    ...     for step in range(stop_at):
    ...         train(step)
    ...         if stop.requested:
    ...             break
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopRequest":
        self._previous = _install(self._on_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _reinstall(self._previous)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        # SIGTERM stays a request: launchers send it again and again.
        signal.signal(signal.SIGINT, self._previous[signal.SIGINT])


def _install(handler: Any) -> dict[signal.Signals, Any]:
    return {number: signal.signal(number, handler) for number in STOP_SIGNALS}


def _reinstall(previous: dict[signal.Signals, Any]) -> None:
    for number, handler in previous.items():
        # None stands for a handler that C code set: Python cannot name it, so cannot put it back.
        signal.signal(number, signal.SIG_DFL if handler is None else handler)
