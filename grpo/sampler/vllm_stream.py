"""Requests through a running vLLM engine, each handed over when it is finished.

The engine's own loop, `LLM.generate`, gives everything back at the end; here whoever asked can
work on the first answers while the last are still being drawn.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any


def stream(
    engine: Any,
    work: Sequence[tuple[Any, Any]],
    held: int,
    stepping: Callable[[], AbstractContextManager[None]],
) -> Generator[tuple[int, Any]]:
    """(place in `work`, output) for each (prompt, parameters), as they are finished.

    At most `held` requests are with the engine (an LLMEngine) at a time, begun in the given order;
    every step is taken inside `stepping()`. Closing the iterator drops what is not finished.
    """
    waiting = iter(enumerate(work))
    running: set[str] = set()
    try:
        while True:
            for place, (prompt, params) in islice(waiting, held - len(running)):
                engine.add_request(str(place), prompt, params)
                running.add(str(place))
            if not running:
                return
            with stepping():
                outputs = [output for output in engine.step() if output.finished]
            for output in outputs:
                running.remove(output.request_id)
                yield int(output.request_id), output
    finally:
        engine.abort_request(list(running))
