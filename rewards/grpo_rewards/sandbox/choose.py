"""Finds the best jail this machine can build, once, by locking a small program into it.

Where there is none it refuses: an untrusted program never runs with less than was agreed to.
"""

import compileall
import logging
import subprocess
from functools import cache
from pathlib import Path

from grpo_rewards.errors import RewardError
from grpo_rewards.sandbox.jail import Jail, kinds
from grpo_rewards.sandbox.layout import INSIDE
from grpo_rewards.sandbox.limits import Limits
from grpo_rewards.sandbox.process import JailedProcess

_LOGGER = logging.getLogger("grpo_rewards")
_PROBE_S = 20.0
_SAYS = {
    "bubblewrap": "untrusted programs run in bubblewrap",
    "namespaces": "untrusted programs run in Linux namespaces (bubblewrap was not found)",
    "rlimits": "untrusted programs run under resource limits alone: they can READ this machine's "
    "files and write wherever their user may; install bubblewrap for a jail",
}


@cache
def choose(accept_rlimits: bool = False) -> Jail:
    """The best jail that works here; the log says which. Raises RewardError where none does.

    `accept_rlimits` lets programs run under resource limits and a system-call filter alone where
    there is neither bubblewrap nor a way to make namespaces.
    """
    # Once for all: no program's time is to be spent on compiling the harness.
    compileall.compile_dir(INSIDE, quiet=2)
    faults: dict[str, str] = {}
    for jail in kinds(accept_rlimits):
        wrong = fault(jail)
        if not wrong:
            level = logging.INFO if jail.isolates else logging.WARNING
            _LOGGER.log(level, "code sandbox: %s", _SAYS[jail.name])
            return jail
        faults[jail.name] = wrong
    tried = "; ".join(f"{name}: {fault}" for name, fault in faults.items())
    raise RewardError(
        f"the reward `code` runs untrusted programs and found no jail for them ({tried}); install "
        f"bubblewrap (apt install bubblewrap), or set accept_rlimits: true on the reward to run "
        f"them under plain resource limits, with this machine's files in their sight"
    )


def backend(accept_rlimits: bool = False) -> str:
    """The name of the jail in use: bubblewrap, namespaces or rlimits. Raises as `choose` does."""
    return choose(accept_rlimits).name


def fault(jail: Jail) -> str:
    """What is wrong with a jail on this machine, in its own last words; empty where it holds."""
    hidden = str(Path(__file__)) if jail.isolates else ""
    try:
        with JailedProcess(jail, Limits(), "probe", hidden, stderr=subprocess.PIPE) as probe:
            said, complaint = probe.process.communicate(timeout=_PROBE_S)
    except subprocess.TimeoutExpired:
        return f"did not answer within {_PROBE_S:g} s"
    except OSError as error:
        return error.strerror or type(error).__name__
    if said == b"holds":
        return ""
    lines = complaint.decode(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "ended without a word"
