"""Where exceptions meet the user: a sentence and an exit code, or, for a defect, the traceback."""

import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from traceback import walk_tb

import typer

from grpo.errors import Stopped, UserError

_SPEAKING = ("grpo_data", "grpo_rewards")
"""Packages that state what is wrong with an input as a ValueError or a FileNotFoundError."""

USER_ERROR, INTERRUPTED = 2, 130
"""Exit codes: the user can mend it; Ctrl-C (128 + SIGINT, as a shell has it)."""


@contextmanager
def user_errors(*, can_resume: bool = False) -> Iterator[None]:
    """Turns what the user can mend into one sentence on stderr and exit code 2.

    Ctrl-C, and a run that has stopped when it was asked to, give 130 and, where the verb
    `can_resume`, the command that goes on; SIGTERM is then a Ctrl-C. Everything else passes: its
    traceback is for whoever mends the program.
    """
    try:
        with _sigterm_as_ctrl_c() if can_resume else nullcontext():
            yield
    except UserError as error:
        raise _stop(f"error: {error}", USER_ERROR) from None
    except (ValueError, FileNotFoundError) as error:
        if not _is_speaking(error):
            raise
        raise _stop(f"error: {error}", USER_ERROR) from None
    except (Stopped, KeyboardInterrupt) as stop:
        again = shlex.join(["grpo", *sys.argv[1:]])
        hint = f"\ngo on with: {again}" if can_resume else ""
        raise _stop(f"{str(stop) or 'interrupted'}{hint}", INTERRUPTED) from None


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _is_speaking(error: Exception) -> bool:
    """Whether a package that speaks defines the error's class, or raised it: the innermost frame.

    The class settles what comes back from a worker process, where the frames are the pool's.
    """
    modules = [type(error).__module__]
    for frame, _ in walk_tb(error.__traceback__):
        modules[1:] = [str(frame.f_globals.get("__name__", ""))]
    return any(module.partition(".")[0] in _SPEAKING for module in modules)


def _stop(message: str, code: int) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(code)
