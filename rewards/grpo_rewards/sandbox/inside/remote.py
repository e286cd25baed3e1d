"""The program as its judge sees it: names that can be called, in a process the judge never enters.

What comes back is plain data, or a handle good for nothing but to be called, given back, or asked
for an attribute: a handle has no truth and equals nothing, so no object of the program can pass a
comparison.
"""

import builtins
from typing import Any, BinaryIO, NoReturn

from grpo_rewards.sandbox.inside import plain, wire

# In a test these would end a loop early, and what the loop should have checked would pass.
_NEVER_RAISED = ("StopIteration", "StopAsyncIteration")


class Gone(BaseException):
    """The program's process has ended or talks nonsense; tests cannot catch this by accident."""


class ProgramError(Exception):
    """The program raised something that is no built-in exception."""


class Line:
    """The line to the program; `calls` counts what it has answered, `is_open` that it still can.

    >>> Line(open(4, "wb"), open(5, "rb")).name("has_close_elements")([1.0, 2.0], 0.5)
    False
    """

    def __init__(self, said: BinaryIO, heard: BinaryIO) -> None:
        self._said, self._heard = said, heard
        self.calls = 0
        self.is_open = True

    def load(self, program: str) -> str:
        """Send the program; "loaded", "failed", "no program" or "no jail". Raises Gone."""
        try:
            wire.receive(self._heard)
        except EOFError:
            return "no jail"
        state = self._exchange(program)
        return state if state in ("loaded", "no program") else "failed"

    def name(self, name: str) -> "Handle":
        """What the program has under `name`; that it is there is not known before it is used."""
        return Handle(self, name)

    def ask(self, do: str, of: int | str, given: Any) -> Any:
        """Have the program do it; raises what the program raised, or Gone."""
        message = {"do": do, "of": of, "given": plain.encode(given, _refer)}
        reply = self._exchange(message)
        try:
            if "value" in reply:
                value = plain.decode(reply["value"], lambda number: Handle(self, int(number)))
            else:
                value = _exception(reply["raised"], reply["text"])
        except Exception:
            self._hang_up()
        self.calls += do == "call"
        if "value" not in reply:
            raise value
        return value

    def _exchange(self, message: Any) -> Any:
        if not self.is_open:
            raise Gone
        try:
            wire.send(self._said, message)
            return wire.receive(self._heard)
        except (OSError, EOFError, ValueError, RecursionError, MemoryError):
            self._hang_up()

    def _hang_up(self) -> NoReturn:
        self.is_open = False
        raise Gone from None


class Handle:
    """Something of the program's: a name, or an object that is no plain data."""

    __slots__ = ("_line", "_reference")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, line: Line, reference: int | str) -> None:
        object.__setattr__(self, "_line", line)
        object.__setattr__(self, "_reference", reference)

    def __call__(self, *positional: Any, **named: Any) -> Any:
        return self._line.ask("call", self._reference, (positional, named))

    def __getattr__(self, name: str) -> Any:
        return self._line.ask("get", self._reference, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._line.ask("set", self._reference, (name, value))

    def __bool__(self) -> bool:
        raise TypeError("an object of the program is neither true nor false")

    def __eq__(self, other: object) -> bool:
        raise TypeError("an object of the program cannot be compared")

    __ne__ = __eq__


def _refer(value: Any) -> int | str:
    if not isinstance(value, Handle):
        raise TypeError(f"a {type(value).__name__} cannot be handed to the program")
    reference: int | str = object.__getattribute__(value, "_reference")
    return reference


def _exception(names: list[str], text: str) -> Exception:
    """The built-in exception nearest to what the program raised, where there is one."""
    for name in names:
        kind = getattr(builtins, name, None)
        if isinstance(kind, type) and issubclass(kind, Exception) and name not in _NEVER_RAISED:
            try:
                return kind(text)
            except TypeError:
                break
    return ProgramError(f"{names[0]}: {text}")
