"""One jailed process as its parent sees it: started, and ended with everything in its jail.

What is said to it and heard from it is the exchange's.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL
from types import TracebackType

from grpo_rewards.sandbox.jail import Jail
from grpo_rewards.sandbox.layout import HARNESS, INSIDE
from grpo_rewards.sandbox.limits import Limits

KILLED = 128 + SIGKILL
_LAST_BREATH_S = 5.0


class JailedProcess:
    """A part of the harness that runs in a jail of its own; a context that leaves nothing behind.

    `stdin`, `stdout` and `stderr` are what subprocess takes for them; of this process's other
    descriptors it gets `pass_fds` and no more.
    """

    def __init__(
        self,
        jail: Jail,
        limits: Limits,
        part: str,
        *arguments: str,
        stdin: int = subprocess.PIPE,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.DEVNULL,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self._scratch = None if jail.isolates else _Scratch()
        harness = self._scratch.harness if self._scratch else HARNESS
        self.process = subprocess.Popen(
            jail.command(limits, part, *arguments, harness=harness),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=pass_fds,
            cwd=self._scratch.work if self._scratch else "/",
            env=None if jail.isolates else {"PYTHONHASHSEED": "0"},
            start_new_session=True,
        )

    def wait(self, timeout_s: float) -> int | None:
        """Its exit code as a shell tells it (128 + signal); None where it does not end in time."""
        with suppress(subprocess.TimeoutExpired):
            code = self.process.wait(max(timeout_s, 0.0))
            return 128 - code if code < 0 else code
        return None

    def end(self) -> None:
        """Kill it now, and with it all it has started.

        The first process inside goes first: its namespace dies with it, and whoever waits for it
        out here buries it. Killed from the outside in, it would be left to the system's init.
        """
        if self.process.poll() is None:
            for pid in _children(self.process.pid):
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, SIGKILL)
            if self.wait(_LAST_BREATH_S if self._was_wrapped else 0.0) is None:
                self.process.kill()
        self.process.wait()

    def __enter__(self) -> "JailedProcess":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                with suppress(BrokenPipeError):
                    stream.close()
        if self._scratch:
            self._scratch.remove()

    @property
    def _was_wrapped(self) -> bool:
        return self._scratch is None


class _Scratch:
    """The throw-away directory of a program without a jail, a copy of the harness beside it."""

    def __init__(self) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="grpo-code-"))
        self.harness, self.work = str(self._root / "harness"), str(self._root / "work")
        shutil.copytree(INSIDE, f"{self.harness}/grpo_rewards/sandbox/inside")
        Path(self.work).mkdir()
        # The program may have a user of its own, told apart from ours.
        self._root.chmod(0o755)
        Path(self.work).chmod(0o777)

    def remove(self) -> None:
        shutil.rmtree(self._root, ignore_errors=True)


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
