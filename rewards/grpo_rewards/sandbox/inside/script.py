"""Runs the untrusted program as a script: its tests are its stdin, its answer is what it prints.

Nothing is judged here: what it must print is not known in here.
"""

import os
import sys
from types import ModuleType

from grpo_rewards.sandbox.inside import wire
from grpo_rewards.sandbox.inside.candidate import compiled

HELLO = wire.HELLO.encode()
NO_PROGRAM = 99


def main() -> None:
    """Run the program that comes first on stdin; all that follows is the program's to read.

    It prints after HELLO; without that it was never run.
    """
    with os.fdopen(os.dup(0), "rb", buffering=0) as raw:
        program = wire.receive(raw)
    os.write(1, HELLO)
    try:
        code = compiled(program)
    except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError):
        os._exit(NO_PROGRAM)
    module = ModuleType("__main__")
    sys.modules["__main__"] = module
    exec(code, vars(module))
