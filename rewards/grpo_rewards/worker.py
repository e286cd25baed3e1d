"""The scorer process: loads rewards, bounds its own memory, answers calls until the pipe closes.

Started as `python -m grpo_rewards.worker` by `grpo_rewards.process`, and not by multiprocessing,
which would fork a parent that holds torch or import its main module again. Its deadline is a
CPU timer of the kernel: at its signal the stack is dumped and the process dies, wherever it is,
in C code too. It also dies when its parent does.
"""

import faulthandler
import os
import pickle
import resource
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TextIO

from grpo_rewards.call_reward import answer_call
from grpo_rewards.calls import Answer, Call, Setup
from grpo_rewards.errors import RewardError
from grpo_rewards.rule import RuleReward
from grpo_rewards.table import Reward, Target, load

_WATCH_S = 0.5


def main(pipe_fd: int, trace_fd: int, parent: int) -> None:
    """Serve the parent process `parent` over `pipe_fd`; the stack of a hang goes to `trace_fd`."""
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    for fd in (pipe_fd, trace_fd):
        os.set_inheritable(fd, False)
    pipe = Connection(pipe_fd)
    setup: Setup = pickle.loads(pipe.recv_bytes())
    try:
        rewards = {target.name: _loaded(target, setup) for target in setup.targets}
    except RewardError as error:
        pipe.send_bytes(Answer((), str(error), is_last=True).to_bytes())
        return
    with open(trace_fd, "w") as trace:
        _bound(setup.memory_mb, trace)
        pipe.send_bytes(Answer(()).to_bytes())
        _serve(pipe, rewards, setup.deadline_s)


def _serve(pipe: Connection, rewards: dict[str, Reward], deadline_s: float) -> None:
    while True:
        try:
            calls: list[Call] = pickle.loads(pipe.recv_bytes())
        except EOFError:
            return
        for call in calls:
            signal.setitimer(signal.ITIMER_PROF, deadline_s * call.allowance)
            answer = answer_call(rewards[call.reward], call)
            signal.setitimer(signal.ITIMER_PROF, 0)
            pipe.send_bytes(answer.to_bytes())
            if answer.is_last:
                return


def _loaded(target: Target, setup: Setup) -> Reward:
    """The reward ready to be timed; whatever its module raises is told in one sentence."""
    try:
        reward = load(target, setup.knobs[target.name])
        if isinstance(reward, RuleReward):
            reward.prepare()
        return reward
    except RewardError:
        raise
    except BaseException as error:
        why = f"{type(error).__name__}: {error}"
        raise RewardError(f"reward {target.name!r} cannot be loaded: {why}") from error


def _bound(memory_mb: int | None, trace: TextIO) -> None:
    """Memory beyond what is held now is bounded; SIGPROF dumps the stack, then kills."""
    faulthandler.register(signal.SIGPROF, file=trace, all_threads=False, chain=True)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    statm = Path("/proc/self/statm")
    if statm.exists() and memory_mb is not None:
        held = int(statm.read_text().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = held + memory_mb * 2**20
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _die_with(parent: int) -> None:
    """End this process and all it has started once the parent is gone.

    PR_SET_PDEATHSIG is not used: it fires when the parent's *thread* that started us ends.
    """
    while os.getppid() == parent:
        time.sleep(_WATCH_S)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
