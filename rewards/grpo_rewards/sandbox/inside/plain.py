"""Plain data as JSON: the only thing that crosses between a program and its judge.

What comes out of `decode` is made of exact built-in types, so that nothing the program defined,
no `__eq__` and no subclass, ever reaches a comparison. Anything else stays where it is and is
referred to by a number.
"""

from collections.abc import Callable, Mapping
from typing import Any

Refer = Callable[[Any], int | str]
Resolve = Callable[[int | str], Any]
_EXACT_INT = 2**53
_TYPES = {
    kind.__name__: kind for kind in (bool, int, float, complex, str, bytes, list, tuple, dict, set)
}
_MAKERS: Mapping[str, Callable[[Any], Any]] = {"tuple": tuple, "set": set, "frozenset": frozenset}


def encode(value: Any, refer: Refer) -> Any:
    """`value` as what JSON can say; what is no plain data as the number `refer` gives it.

    A subclass of a plain type is sent as the plain type. `refer` may raise TypeError to refuse.
    """
    if value is None or isinstance(value, bool | str | float):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) < _EXACT_INT else {"int": hex(value)}
    if isinstance(value, list):
        return [encode(item, refer) for item in value]
    for kind, maker in _MAKERS.items():
        if isinstance(value, maker):  # type: ignore[arg-type]
            return {kind: [encode(item, refer) for item in value]}
    if isinstance(value, dict):
        pairs = [[encode(key, refer), encode(item, refer)] for key, item in value.items()]
        return {"dict": pairs}
    if isinstance(value, bytes | bytearray):
        return {"bytes": value.hex()}
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, range):
        return {"range": [value.start, value.stop, value.step]}
    named = [name for name, kind in _TYPES.items() if value is kind]
    return {"type": named[0]} if named else {"ref": refer(value)}


def decode(message: Any, resolve: Resolve) -> Any:
    """The value of a message, in exact built-in types; any exception means a broken message."""
    if isinstance(message, list):
        return [decode(item, resolve) for item in message]
    if not isinstance(message, dict):
        return message
    ((kind, body),) = message.items()
    if kind in _MAKERS:
        return _MAKERS[kind](decode(item, resolve) for item in body)
    match kind:
        case "dict":
            return {decode(key, resolve): decode(item, resolve) for key, item in body}
        case "int":
            return int(body, 16)
        case "bytes":
            return bytes.fromhex(body)
        case "complex":
            return complex(*body)
        case "range":
            return range(*body)
        case "type":
            return _TYPES[body]
        case "ref":
            return resolve(body)
    raise ValueError(f"no plain data is called {kind!r}")
