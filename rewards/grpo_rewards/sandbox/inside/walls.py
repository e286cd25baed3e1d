"""The walls a process raises around itself before a line of untrusted code runs in it.

None of them can be lowered again: hard limits, rights given up for good, a system-call filter.
"""

import ctypes
import os
import resource
import select
from errno import EPERM

from grpo_rewards.sandbox.inside import syscalls

_PDEATHSIG, _DUMPABLE, _SECCOMP, _NO_NEW_PRIVS = 1, 4, 22, 38
_FILTER, _KILL = 2, 9
_CAPABILITY_VERSION_3 = 0x20080522
_OPEN_FILES = 64
_NOSUID_NODEV = 2 | 4
_FILES = 4096
_libc = ctypes.CDLL(None, use_errno=True)


def mount_directory(path: str, size: int) -> None:
    """A throw-away directory in memory at `path`, for `size` bytes in a few thousand files."""
    options = f"size={size},nr_inodes={_FILES},mode=1777".encode()
    kind = b"tmpfs"
    _check(_libc.mount(kind, path.encode(), kind, _NOSUID_NODEV, options), "mount")
    os.chdir(path)


def limit(cpu_s: int, memory: int, file: int, threads: int) -> None:
    """Set the limits, soft and hard in one: the first signal at the end of them is SIGKILL."""
    for kind, most in (
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, file),
        (resource.RLIMIT_NPROC, threads),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (bound, bound))


def give_up_rights(user: int | None) -> None:
    """Become `user` where one is given, hold no capability, die with the parent.

    Not dumpable: no process of the same user may look into this one's memory or descriptors.
    """
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        # The saved id stays root's: only to its own kind may a parent without capabilities send
        # the signal it dies with. The filter keeps the program from taking it back.
        os.setresuid(user, user, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")
    _prctl(_PDEATHSIG, _KILL)
    _prctl(_DUMPABLE, 0)
    _prctl(_NO_NEW_PRIVS, 1)


def leave_if_orphaned() -> None:
    """End this process where whoever started it is gone already.

    A parent that died before this process asked to die with it sends no signal any more; but
    nobody reads its output then.
    """
    poll = select.poll()
    poll.register(1, 0)
    if any(event & select.POLLERR for _, event in poll.poll(0)):
        os._exit(1)


def filter_calls() -> None:
    """Take away the system calls of `syscalls`: no new process, no socket, no signal, no ptrace."""
    code = syscalls.program(os.uname().machine)
    held = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))

    program = Program(len(code) // syscalls.INSTRUCTION, ctypes.addressof(held))
    _prctl(_SECCOMP, _FILTER, ctypes.addressof(program))


def _prctl(option: int, *values: int) -> None:
    words = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    _check(_libc.prctl(option, *words), f"prctl({option})")


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno() or EPERM
        raise OSError(code, f"{what}: {os.strerror(code)}")
