"""One worker process as its parent sees it: started, fed, listened to, and killed if need be.

Which call goes to which process, and what becomes of the calls of a dead one, is the pool's.
"""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import Pipe

from grpo_rewards.calls import Answer, Call, Setup

_LAST_WORDS_S = 2.0
# Threads that wait spin, by default, on cores that the sampler or the trainer needs.
_QUIET = {"OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false"}
_TRACE_BYTES = 65536


class WorkerProcess:
    """A `grpo_rewards.worker` in a process group of its own.

    `pending` are the calls sent and not answered yet, in order; `since` is the monotonic time of
    the last sign of life; `is_ready` says that the rewards are loaded.
    """

    def __init__(self, setup: Setup) -> None:
        self.pending: deque[Call] = deque()
        self.since = time.monotonic()
        self.is_ready = False
        self._was_interrupted = False
        self.pipe, theirs = Pipe()
        self._trace, trace_in = os.pipe()
        os.set_blocking(self._trace, False)
        fds = (theirs.fileno(), trace_in)
        arguments = [str(value) for value in (*fds, os.getpid())]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "grpo_rewards.worker", *arguments],
            pass_fds=fds,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={**_QUIET, **os.environ, "PYTHONPATH": os.pathsep.join(map(_absolute, sys.path))},
        )
        theirs.close()
        os.close(trace_in)
        self.pipe.send_bytes(pickle.dumps(setup))

    @property
    def pid(self) -> int:
        """The process id, which is also its process group's."""
        return self._process.pid

    @property
    def is_idle(self) -> bool:
        """Whether it is loaded and has nothing to do."""
        return self.is_ready and not self.pending

    @property
    def has_exited(self) -> bool:
        """Whether the process is gone, although something it started may hold its pipe open."""
        return self._process.poll() is not None

    def send(self, calls: Sequence[Call]) -> None:
        """Give it calls; a process that is dead already keeps them pending, for the pool to see."""
        self.pending.extend(calls)
        self.since = time.monotonic()
        with suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send_bytes(pickle.dumps(list(calls)))

    def receive(self) -> Answer:
        """The next answer; raises EOFError or OSError where the process is dead, ValueError or
        TypeError where it wrote something else."""
        answer = Answer.from_bytes(self.pipe.recv_bytes())
        self.since = time.monotonic()
        return answer

    def interrupt(self) -> None:
        """Make a process that waits too long end itself as at its deadline, stack dump included."""
        self._was_interrupted = True
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGPROF)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_LAST_WORDS_S)
        self._process.kill()

    def bury(self) -> tuple[bool, str]:
        """After it died: whether it had run out of time, and its last stack or what it died of."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_LAST_WORDS_S)
        with open(self._trace, "rb", buffering=0, closefd=False) as trace:
            stack = (trace.read(_TRACE_BYTES) or b"").decode(errors="replace")
        self.kill()
        code = self._process.returncode
        timed_out = self._was_interrupted or code == -signal.SIGPROF
        return timed_out, stack if timed_out else _cause_of_death(code)

    def kill(self) -> None:
        """End it, now, and with it all it has started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self.pipe.close()
        os.close(self._trace)


def _absolute(path: str) -> str:
    return path or os.getcwd()


def _cause_of_death(code: int) -> str:
    if code < 0:
        names = {number.value: number.name for number in signal.Signals}
        return f"the worker was killed by {names.get(-code, f'signal {-code}')}"
    return f"the worker exited with code {code}"
