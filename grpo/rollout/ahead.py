"""The next rollout, drawn and judged while the update runs: one step off-policy, on an engine that
nobody else asks anything meanwhile.

The rollout is on disk when the update's step ends, so before its checkpoint: a resumed run finds it
and draws the one after it with the policy the checkpoint holds. Leaves out the correction, without
which a recipe may not ask for this, and several processes, whose threads would talk at once.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from grpo.rollout.bank import Bank
from grpo.rollout.fixed import Fixed
from grpo.timing import Stopwatch
from grpo.types import Rollout


class Ahead:
    """Takes rollouts from `rollouts`, the next one while `meanwhile` is open."""

    def __init__(self, rollouts: Fixed | Bank, watch: Stopwatch) -> None:
        self._rollouts, self._watch = rollouts, watch
        # A thread takes up the process's number of threads for its own when it first asks for it.
        self._thread = ThreadPoolExecutor(1, "rollout", initializer=torch.get_num_threads)
        self._drawn: Rollout | None = None

    def take(self, step: int) -> Rollout:
        """What `step` draws."""
        if self._drawn is None or self._drawn.step != step:
            return self._rollouts.take(step)
        return self._drawn

    def batch(self, drawn: Rollout) -> Rollout:
        """What its step learns from."""
        return self._rollouts.batch(drawn)

    @contextmanager
    def meanwhile(self, step: int) -> Iterator[None]:
        """Draw the rollout of `step` beside what is done inside, and wait for it at the end.

        The last step of a stage draws one too many, so that a stage which is given more steps goes
        on as if it had had them all along.
        """
        drawing = self._thread.submit(self._rollouts.take, step)
        try:
            yield
        finally:
            # Even after an error inside: the engine must not be closed while it runs.
            with self._watch("waiting"):
                self._drawn = drawing.result()
