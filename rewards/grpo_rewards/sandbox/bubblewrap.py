"""The command that jails a program with bubblewrap.

A root caller needs no user namespace: the program takes a user id of its own instead, which the
kernel counts its threads by (root's threads it never counts).
"""

from grpo_rewards.sandbox.layout import layout

_SPACES = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts")
# The program is the first process inside: where bubblewrap puts a process of its own there, it
# leaves that one behind as a zombie for the init of a system, or of a container that has none.
_OPTIONS = (
    "--unshare-cgroup-try",
    "--die-with-parent",
    "--new-session",
    "--clearenv",
    "--as-pid-1",
)
# Given up by the program's own process before a line of the program runs: see `inside.walls`.
_MAY_MOUNT = ("--cap-drop", "ALL", "--cap-add", "CAP_SYS_ADMIN")
_MAY_DROP = ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")


def command(drops_user: bool) -> list[str]:
    """The words before the program's own; `drops_user` lets it give up root by itself."""
    user = _MAY_DROP if drops_user else ("--unshare-user",)
    return [
        *("bwrap", *_SPACES, *_OPTIONS, *_MAY_MOUNT, *user),
        *_mounts(),
        *("--dev-bind", "/dev/null", "/dev/null", "--remount-ro", "/"),
        *("--setenv", "PYTHONHASHSEED", "0", "--"),
    ]


def _mounts() -> list[str]:
    seen = layout()
    words: list[str] = []
    for path in seen.directories:
        words += ["--perms", "755", "--dir", path]
    for source, target in seen.shown:
        words += ["--ro-bind", source, target]
    for text, target in seen.links:
        words += ["--symlink", text, target]
    return words
