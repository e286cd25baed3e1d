"""The kinds of jail, best first: bubblewrap, namespaces, and plain limits for those who accept it.

Which of them works on this machine is found out by `grpo_rewards.sandbox.choose`.
"""

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass

from grpo_rewards.sandbox import bubblewrap, namespaces
from grpo_rewards.sandbox.layout import HARNESS, PYTHON, WORK
from grpo_rewards.sandbox.limits import Limits

_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from grpo_rewards.sandbox.inside.boot import main; main(*sys.argv[2:])"
)
_OPTIONS = ("-s", "-S", "-P", "-X", "utf8")
_FIRST_USER, _USERS = 20_000, 40_000
_numbers = itertools.count()


@dataclass(frozen=True)
class Jail:
    """One way to lock a program in.

    `wrap` gives the words before the program's own, None where nothing is wrapped (resource limits
    and the system-call filter alone); `drops_user` says that a root caller's program takes a user
    id of its own.

    >>> Jail("bubblewrap", bubblewrap.command, drops_user=True)
    """

    name: str
    wrap: Callable[[bool], list[str]] | None
    drops_user: bool

    @property
    def isolates(self) -> bool:
        """Whether files, processes and network of the machine are out of sight inside."""
        return self.wrap is not None

    def command(
        self, limits: Limits, part: str, *arguments: str, harness: str = HARNESS
    ) -> list[str]:
        """The whole command that runs `part` of the harness, found inside at `harness`."""
        wrapped = self.wrap(self.drops_user) if self.wrap else []
        user = str(_own_user()) if self.drops_user else ""
        start = [PYTHON, *_OPTIONS, "-c", _START, harness]
        work = WORK if self.isolates else ""
        return [*wrapped, *start, part, *limits.arguments(), work, user, *arguments]


def kinds(accept_rlimits: bool) -> list[Jail]:
    """The jails to try, best first. Root's programs get a user of their own wherever they can."""
    wraps = {"bubblewrap": bubblewrap.command, "namespaces": namespaces.command}
    found = [Jail(name, wrap, drops) for name, wrap in wraps.items() for drops in _drops()]
    return found + [Jail("rlimits", None, drops) for drops in _drops() if accept_rlimits]


def _drops() -> tuple[bool, ...]:
    return (True, False) if os.geteuid() == 0 else (False,)


def _own_user() -> int:
    """A user id no two jails have at a time: the kernel counts threads by user."""
    return _FIRST_USER + (2 * os.getpid() + next(_numbers) % 2) % _USERS
