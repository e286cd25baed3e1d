"""The command that jails a program with util-linux alone: `unshare`, `mount`, `pivot_root`.

For machines without bubblewrap. The same layout and the same namespaces; a shell script of a few
lines makes the new root, because no tool of util-linux does that.
"""

import shlex
from functools import cache

from grpo_rewards.sandbox.layout import layout

_SPACES = ("--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup", "--fork", "--kill-child")
_SEARCH = "/usr/sbin:/usr/bin:/sbin:/bin"
# The new root is built over a directory that every system has and no interpreter lives in.
_ROOT = "/sys"


def command(drops_user: bool) -> list[str]:
    """The words before the program's own; `drops_user` lets it give up root by itself."""
    user = () if drops_user else ("--user", "--map-root-user")
    clean = ("env", "-i", "PYTHONHASHSEED=0", f"PATH={_SEARCH}")
    # The death of whoever waits for us is unshare's to hear; its own child hears of unshare's.
    watched = ("setpriv", "--pdeathsig", "KILL", "unshare")
    return [*clean, *watched, *user, *_SPACES, "--", "sh", "-ec", _script(), "sh"]


@cache
def _script() -> str:
    seen = layout()
    lines = [f"mount -t tmpfs -o mode=755,size=1m,nr_inodes=1k jail {_ROOT}", f"cd {_ROOT}"]
    lines += [f"mkdir -p .{shlex.quote(path)}" for path in seen.directories]
    for source, target in seen.shown:
        lines += _show(source, target)
    lines += [f"ln -s {shlex.quote(text)} .{shlex.quote(target)}" for text, target in seen.links]
    lines += [": > ./dev/null", "mount --bind /dev/null ./dev/null", "mkdir old"]
    lines += [f"mount -o remount,bind,ro {_ROOT}", "pivot_root . old", "cd /"]
    # Covered, not unmounted: umount looks for a /proc, and there is none any more.
    lines += ["mount -t tmpfs -o ro,size=4k cover /old"]
    # Not by exec: unshare cannot tell that its child was killed, the shell can.
    return "\n".join([*lines, "unset PATH PWD OLDPWD", '"$@" || exit $?'])


def _show(source: str, target: str) -> list[str]:
    """Bind one path read-only; the second step is what makes a bind mount read-only."""
    origin, place = shlex.quote(source), f".{shlex.quote(target)}"
    make = f"if [ -d {origin} ]; then mkdir -p {place}; else : > {place}; fi"
    return [
        make,
        f"mount --bind {origin} {place}",
        f"mount -o remount,bind,ro,nosuid,nodev {place}",
    ]
