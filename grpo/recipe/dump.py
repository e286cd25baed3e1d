"""The resolved recipe as YAML: every knob of a run, its meaning beside it.

Read back it gives an equal Recipe; a run saves it, so it is also the document of what was run.
"""

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import yaml

from grpo.recipe.base import Section
from grpo.recipe.schema import Recipe
from grpo.recipe.strict_yaml import CoreLoader


def dump_recipe(recipe: Recipe) -> str:
    """The recipe with every knob written out, commented, as strict YAML."""
    return "".join(_section_lines(recipe, recipe.model_dump(mode="json")))


_STR = "tag:yaml.org,2002:str"

_PARAGRAPHS = re.compile(r"\S[^\r\x85\u2028\u2029]*\S\n?")
"""Texts that read well as a block; all others with line breaks are written on one line, escaped."""

_OLD = yaml.resolver.Resolver()
"""YAML 1.1, which most other readers speak: a text it would take for more is quoted."""


class _Dumper(yaml.SafeDumper):
    """Writes scalars so that the strict loader reads back the same values."""

    yaml_implicit_resolvers = CoreLoader.yaml_implicit_resolvers


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None
    if len(text.splitlines()) > 1 or text[-1:].isspace():
        is_block = not dumper.default_flow_style and _PARAGRAPHS.fullmatch(text)
        style = "|" if is_block else '"'
    elif _old_tag(text) != _STR:
        style = "'"
    return dumper.represent_scalar(_STR, text, style=style)


def _old_tag(text: str) -> Any:
    resolve: Callable[..., Any] = _OLD.resolve
    return resolve(yaml.ScalarNode, text, (True, False))


_Dumper.add_representer(str, _text)


def _section_lines(section: Section, values: Mapping[str, Any]) -> Iterator[str]:
    for key, field in type(section).model_fields.items():
        yield from _knob_lines(key, getattr(section, key), values[key], field.description)


def _knob_lines(key: str, knob: Any, value: Any, meaning: str | None) -> Iterator[str]:
    if isinstance(knob, Section):
        yield f"{key}:{_comment(meaning or _summary(knob))}\n"
        yield from map(_indented, _section_lines(knob, value))
    elif isinstance(knob, tuple) and knob and isinstance(knob[0], Section):
        yield f"{key}:{_comment(meaning)}\n"
        for item, item_values in zip(knob, value, strict=True):
            block = _indented("".join(_section_lines(item, item_values)))
            yield f"  # {_summary(item)}\n  - {_indented(block).lstrip()}"
    else:
        yield _with_comment(_plain(key, value), meaning)


def _plain(key: str, value: Any) -> str:
    if isinstance(value, list | dict):
        return f"{key}: {_yaml(value, flow=True)}"
    return _yaml({key: value}, flow=False)


def _yaml(value: Any, flow: bool) -> str:
    return str(
        yaml.dump(
            value,
            Dumper=_Dumper,
            default_flow_style=flow,
            allow_unicode=True,
            width=10**9,
            sort_keys=False,
        )
    )


def _with_comment(text: str, meaning: str | None) -> str:
    if text.count("\n") > 1:
        return f"# {meaning}\n{text}" if meaning else text
    return f"{text.rstrip()}{_comment(meaning)}\n"


def _summary(section: Section) -> str:
    return (type(section).__doc__ or "").partition("\n")[0]


def _comment(text: str | None) -> str:
    return f"  # {text}" if text else ""


def _indented(block: str) -> str:
    return textwrap.indent(block, "  ")
