"""Where a step's time goes."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Adds up seconds by name until they are taken.

    >>> with watch("sampling"):
    ...     completions = sampler.sample(requests, sampling)
    >>> watch.take()
    {'time/sampling': 3.61, 'time/step': 3.61}
    """

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._since = time.perf_counter()

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] += time.perf_counter() - start

    def take(self) -> dict[str, float]:
        """The seconds by name, and `time/step` since the last call; all start again from 0."""
        now = time.perf_counter()
        taken = {f"time/{name}": seconds for name, seconds in self._seconds.items()}
        taken["time/step"] = now - self._since
        self._seconds.clear()
        self._since = now
        return taken
