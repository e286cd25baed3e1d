"""The first code in a jail: loads one part of the harness, raises the walls, starts the part.

Loading comes first: afterwards the files of the harness may be out of reach.
"""

import builtins
import importlib
import os
import sys

from grpo_rewards.sandbox.inside import walls


def main(part: str, *told: str) -> None:
    """Run `part` ("candidate", "judge", "script" or "probe") within walls.

    It is told: CPU seconds, bytes of memory and of files, threads, where to mount its directory
    and which user to become (both may be empty), then the part's own arguments.
    """
    cpu_s, memory, files, threads, work, user, *arguments = told
    module = importlib.import_module(f"grpo_rewards.sandbox.inside.{part}")
    if work:
        walls.mount_directory(work, int(files))
    walls.limit(int(cpu_s), int(memory), int(files), int(threads))
    walls.give_up_rights(int(user) if user else None)
    walls.leave_if_orphaned()
    walls.filter_calls()
    os.environ.clear()
    sys.argv = ["program.py"]
    # `site` would have put these here; programs end themselves with them.
    vars(builtins).update(exit=sys.exit, quit=sys.exit)
    module.main(*arguments)
