"""Runs the untrusted program and answers its judge's calls; knows no test and gives no verdict.

The program shares this process and may do to it what it likes: all it can ever say to the judge
is plain data, as if a function had returned it.
"""

import sys
from collections.abc import Mapping
from types import CodeType, ModuleType
from typing import Any

from grpo_rewards.sandbox.inside import plain, wire

_MODULE = "solution"
_MOST_TEXT = 500


class Objects:
    """What the program has returned and no message can hold, by number; names are the program's.

    >>> Objects({"Node": Node}).resolve("Node")
    """

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names = names
        self._kept: list[Any] = []

    def refer(self, value: Any) -> int:
        """Keep `value`; its number."""
        self._kept.append(value)
        return len(self._kept) - 1

    def resolve(self, reference: int | str) -> Any:
        """The object of a number or of a name of the program; NameError where there is none."""
        if isinstance(reference, int):
            return self._kept[reference]
        if reference not in self._names:
            raise NameError(f"name {reference!r} is not defined")
        return self._names[reference]


def main() -> None:
    """Read the program, run it, then answer calls until the judge hangs up."""
    heard, said = wire.take_standard_streams()
    wire.send(said, wire.HELLO)
    try:
        code = compiled(wire.receive(heard))
    except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError):
        wire.send(said, "no program")
        return
    module = ModuleType(_MODULE)
    sys.modules[_MODULE] = module
    if not _runs(code, module):
        wire.send(said, "failed")
        return
    wire.send(said, "loaded")
    objects = Objects(vars(module))
    while True:
        request = wire.receive(heard)
        wire.send(said, _answer(request, objects))


def compiled(program: str) -> CodeType:
    """The program as code, under a file name of its own, whatever this file's future imports."""
    return compile(program, "program.py", "exec", dont_inherit=True)


def _runs(code: CodeType, module: ModuleType) -> bool:
    try:
        exec(code, vars(module))
    except BaseException:
        return False
    return True


def _answer(request: Mapping[str, Any], objects: Objects) -> Any:
    try:
        return {"value": plain.encode(_performed(request, objects), objects.refer)}
    except BaseException as error:
        names = [kind.__name__ for kind in type(error).__mro__]
        return {"raised": names, "text": str(error)[:_MOST_TEXT]}


def _performed(request: Mapping[str, Any], objects: Objects) -> Any:
    target = objects.resolve(request["of"])
    given = plain.decode(request["given"], objects.resolve)
    match request["do"]:
        case "call":
            positional, named = given
            return target(*positional, **named)
        case "get":
            return getattr(target, given)
        case "set":
            name, value = given
            return setattr(target, name, value)
    raise ValueError(request["do"])
