"""How a knob's value becomes a row of one of the tables here, or a sentence on why it cannot."""

from collections.abc import Mapping
from typing import TypeVar

Row = TypeVar("Row")


def pick(table: Mapping[str, Row], name: str, *, knob: str) -> Row:
    """The row called `name`; ValueError naming the knob, the name and the choices otherwise."""
    if name not in table:
        raise ValueError(f"{knob} is {name!r}; choose one of: {', '.join(table)}.")
    return table[name]
