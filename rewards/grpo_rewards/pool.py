"""Runs calls on worker processes that are killed and replaced, never waited for.

A call that fails for several rows is made again row by row, so that only the row at fault is
lost. What a failure means for the reward of a sample is the scorer's business.
"""

import os
import re
import time
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import wait

from grpo_rewards.calls import Answer, Call, Setup
from grpo_rewards.errors import RewardError
from grpo_rewards.process import WorkerProcess
from grpo_rewards.verdict import Judged

_CALLS_A_CHUNK = 16
_START_S = 300.0
_TICK_S = 0.2
_FRAME = re.compile(r'File "(.+)", line (\d+)')


class Pool:
    """Up to `workers` processes, started when there is work for them.

    `wall_s` is the longest a call may take in wall-clock seconds for each deadline it has: the
    net under the CPU deadline for what sleeps or waits. Not for several threads at once.
    """

    def __init__(self, setup: Setup, workers: int, wall_s: float) -> None:
        self._setup = setup
        self._workers = workers
        self._wall_s = wall_s
        self.targets = setup.targets
        self._files = {target.name: target.place for target in setup.targets}
        self._owner = os.getpid()
        self.processes: list[WorkerProcess] = []

    def run(self, calls: Sequence[Call]) -> Iterator[tuple[Call, Answer]]:
        """Each call with its answer, in the order they come; failed calls of many rows twice.

        Raises RewardError where a reward cannot be loaded. A run that is not finished (its
        caller stopped or raised) ends all processes, since their answers would be out of step.
        """
        queue, finished = deque(calls), False
        try:
            while queue or any(process.pending for process in self.processes):
                self._feed(queue)
                for call, answer in self._collect(queue):
                    if answer.message and len(call.rows) > 1:
                        queue.extend(call.split())
                    yield call, answer
            finished = True
        finally:
            if not finished:
                self.close()

    def start(self) -> None:
        """Start one process and wait until its rewards are loaded; RewardError if they cannot."""
        if not self.processes:
            self.processes.append(WorkerProcess(self._setup))
        try:
            while not any(process.is_ready for process in self.processes):
                list(self._collect(deque()))
        except RewardError:
            self.close()
            raise

    def close(self) -> None:
        """End every process. The pool can be used again; it then starts new ones."""
        while self.processes and os.getpid() == self._owner:
            self.processes.pop().kill()

    def _feed(self, queue: deque[Call]) -> None:
        for process in [one for one in self.processes if one.is_idle and one.has_exited]:
            process.kill()
            self.processes.remove(process)
        for process in self.processes:
            if queue and process.is_idle:
                process.send(self._chunk(queue))
        is_starting = any(not process.is_ready for process in self.processes)
        if queue and not is_starting and len(self.processes) < self._workers:
            self.processes.append(WorkerProcess(self._setup))

    def _chunk(self, queue: deque[Call]) -> list[Call]:
        """The next calls for one process: a call of many rows alone, small ones in a bundle."""
        size = min(_CALLS_A_CHUNK, max(1, len(queue) // self._workers))
        chunk = [queue.popleft()]
        while len(chunk) < size and len(chunk[-1].rows) == len(queue[0].rows) == 1:
            chunk.append(queue.popleft())
        return chunk

    def _collect(self, queue: deque[Call]) -> Iterator[tuple[Call, Answer]]:
        by_pipe = {process.pipe: process for process in self.processes}
        for pipe in wait(list(by_pipe), _TICK_S):
            yield from self._hear(by_pipe[pipe], queue)  # type: ignore[index]
        for process in list(self.processes):
            if process.has_exited and not process.pipe.poll():
                yield from self._replace(process, queue)
            elif time.monotonic() - process.since > self._patience(process):
                process.interrupt()

    def _patience(self, process: WorkerProcess) -> float:
        """Wall-clock seconds this process may stay silent."""
        if process.pending:
            return self._wall_s * process.pending[0].allowance
        return float("inf") if process.is_ready else _START_S

    def _hear(self, process: WorkerProcess, queue: deque[Call]) -> Iterator[tuple[Call, Answer]]:
        try:
            answer = process.receive()
        except (EOFError, OSError, ValueError, TypeError):  # it died, or wrote what is no answer
            yield from self._replace(process, queue)
            return
        if not process.is_ready:
            if answer.is_last:
                raise RewardError(answer.message)
            process.is_ready = True
            return
        call = process.pending.popleft()
        if answer.is_last:
            self._retire(process, queue)
        yield call, answer

    def _replace(self, process: WorkerProcess, queue: deque[Call]) -> Iterator[tuple[Call, Answer]]:
        """A dead process: what it was at has failed, what it had still to do is done by others."""
        timed_out, last_words = process.bury()
        self.processes.remove(process)
        if not process.is_ready:
            raise RewardError(f"a reward worker died while it started: {last_words or 'no word'}")
        if process.pending:
            call = process.pending.popleft()
            queue.extendleft(reversed(process.pending))
            yield call, self._obituary(call, timed_out, last_words)

    def _retire(self, process: WorkerProcess, queue: deque[Call]) -> None:
        queue.extendleft(reversed(process.pending))
        process.kill()
        self.processes.remove(process)

    def _obituary(self, call: Call, timed_out: bool, last_words: str) -> Answer:
        if not timed_out:
            return Answer(tuple(Judged(None, "error") for _ in call.rows), last_words)
        where = self._last_line(self._files[call.reward], last_words)
        limit = self._setup.deadline_s * call.allowance
        message = f"{where}still running at its deadline ({limit:g} s of CPU)"
        return Answer(tuple(Judged(None, "timeout") for _ in call.rows), message)

    @staticmethod
    def _last_line(file: str, stack: str) -> str:
        """`file:line: ` of the innermost frame of a stack dump, in the reward's own file if any."""
        frames = _FRAME.findall(stack)
        own = [frame for frame in frames if frame[0] == file] or frames
        return f"{own[0][0]}:{own[0][1]}: " if own else ""
