"""Pydantic's complaints as sentences that name the file, the line, the key and the nearest cure.

Sentences come from a table by error type; a type that is not in it keeps pydantic's own words.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import ValidationError

from grpo.recipe.base import KeyPath, Misplaced, Section
from grpo.recipe.near import did_you_mean, nearest
from grpo.recipe.walk import knob_at, section_at, section_of, stage_kinds, value_at
from grpo.recipe.written import Written

Details = dict[str, Any]

_SHOWN = 60
"""Longest value an error repeats, characters."""

_TYPES = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a section, keys with values below it",
}

_LIMITS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def explain(error: ValidationError, written: Written) -> str:
    """Every fault of the recipe, a line each: `FILE:LINE: key 'x.y': what is wrong`."""
    faults = [_Fault(dict(details), written) for details in error.errors(include_url=False)]
    return "\n".join(fault.sentence() for fault in _first_causes(faults))


class _Fault:
    """One of pydantic's errors, at a path of the tree that was written."""

    def __init__(self, details: Details, written: Written) -> None:
        cause = details.get("ctx", {}).get("error")
        self.kind: str = details["type"]
        self.details = details
        self.written = written
        self.path = cause.at if isinstance(cause, Misplaced) else _path(details, written.tree)

    def sentence(self) -> str:
        what = _SENTENCES.get(self.kind, _plain)(self)
        where = f": key {self.written.name(self.path)!r}" if self.path else ""
        return f"{self.written.place(self.path)}{where}: {what}"

    @property
    def got(self) -> str:
        return f", got {shown(self.details['input'])}"

    @property
    def meaning(self) -> str:
        field = knob_at(self.path, self.written.tree)
        return f" ({field.description})" if field and field.description else ""


def shown(value: Any) -> str:
    """A value as an error repeats it: short, and in the words of YAML."""
    if value is None:
        return "nothing"
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _path(details: Details, tree: Any) -> KeyPath:
    # pydantic puts a stage's kind into the path, after the stage's index; nobody wrote it there
    path: KeyPath = ()
    before: str | int = ""
    for step in details["loc"]:
        if not (isinstance(before, int) and value_at((*path, "kind"), tree) == step):
            path = (*path, step)
        before = step
    around, written = section_at(path[:-1], tree), value_at(path[:-1], tree)
    if path and around and around.shorthand == path[-1] and not isinstance(written, dict):
        path = path[:-1]  # what is there stands for the knob
    return (*path, "kind") if details["type"].startswith("union_tag") else path


def _first_causes(faults: list[_Fault]) -> list[_Fault]:
    """Without what only follows from another fault."""
    inner = {fault.path[:end] for fault in faults for end in range(len(fault.path))}
    meant = {_meant(fault) for fault in faults if fault.kind == "extra_forbidden"}
    return [
        fault
        for fault in faults
        if not (fault.kind == "too_short" and fault.path in inner)
        and not (fault.kind == "missing" and fault.path in meant)
    ]


def _meant(fault: _Fault) -> KeyPath:
    section = section_at(fault.path[:-1], fault.written.tree)
    near = nearest(str(fault.path[-1]), section.model_fields) if section else None
    return (*fault.path[:-1], near or "")


def _unknown(fault: _Fault) -> str:
    word = str(fault.path[-1])
    section = section_at(fault.path[:-1], fault.written.tree)
    known = list(section.model_fields) if section else []
    inside = next(_homes(word, section), None) if section and not nearest(word, known) else None
    return "unknown" + (f", did you mean {inside!r}?" if inside else did_you_mean(word, known))


def _homes(word: str, section: type[Section]) -> Iterator[str]:
    """The keys called `word` one floor further down, such as `sampling.temperature`."""
    for name, field in section.model_fields.items():
        below = section_of(field.annotation, None)
        if below and word in below.model_fields:
            yield f"{name}.{word}"


def _missing(fault: _Fault) -> str:
    return f"missing{fault.meaning}"


def _kind_missing(fault: _Fault) -> str:
    return f"missing; valid: {', '.join(stage_kinds())}"


def _kind_unknown(fault: _Fault) -> str:
    kind = str(fault.details["ctx"]["tag"])
    return f"unknown stage kind {kind!r}{did_you_mean(kind, stage_kinds())}"


def _choice(fault: _Fault) -> str:
    expected = fault.details["ctx"]["expected"]
    near = nearest(str(fault.details["input"]), re.findall("'(.*?)'", expected))
    guess = f", did you mean {near!r}?" if near else ""
    return f"must be {expected}{fault.got}{guess}"


def _limit(fault: _Fault) -> str:
    (limit, bound), *_ = fault.details["ctx"].items()
    return f"must be {_LIMITS[limit]} {bound:g}{fault.got}{fault.meaning}"


def _length(fault: _Fault) -> str:
    context = fault.details["ctx"]
    count = context.get("min_length", context.get("max_length"))
    word = "at least" if "min_length" in context else "at most"
    return f"must have {word} {count} item{'s'[: count != 1]}{fault.got}{fault.meaning}"


def _pattern(fault: _Fault) -> str:
    return f"must match {fault.details['ctx']['pattern']}{fault.got}{fault.meaning}"


def _type(fault: _Fault) -> str:
    return f"{_TYPES[fault.kind]}{fault.got}{fault.meaning}"


def _rule(fault: _Fault) -> str:
    return str(fault.details["ctx"]["error"])


def _plain(fault: _Fault) -> str:
    return f"{fault.details['msg']}{fault.got}"


_SENTENCES: dict[str, Callable[[_Fault], str]] = {
    **dict.fromkeys(_TYPES, _type),
    "extra_forbidden": _unknown,
    "missing": _missing,
    "union_tag_not_found": _kind_missing,
    "union_tag_invalid": _kind_unknown,
    "literal_error": _choice,
    "greater_than_equal": _limit,
    "greater_than": _limit,
    "less_than_equal": _limit,
    "less_than": _limit,
    "too_short": _length,
    "too_long": _length,
    "string_pattern_mismatch": _pattern,
    "value_error": _rule,
}
