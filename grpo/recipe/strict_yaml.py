"""YAML as its 1.2 core schema reads it, with the line of every key and no key written twice.

Built on PyYAML's composer, which keeps the lines; its own constructor is left out because it
follows YAML 1.1, where `no` is false, `010` is eight, `1e-5` is text and `12:30` is a number.
Infinities and not-a-number are left out too: no knob has a use for them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from grpo.recipe.base import KeyPath

_PREFIX = "tag:yaml.org,2002:"

CORE: dict[str, tuple[str, Callable[[str], Any]]] = {
    "null": (r"~|null|Null|NULL|", lambda text: None),
    "bool": (r"true|True|TRUE|false|False|FALSE", lambda text: text.lower() == "true"),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", lambda text: _whole(text)),
    "float": (r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", float),
}
"""Scalar types of YAML 1.2's core schema: how a plain scalar of each looks, and its value."""


class BadYaml(Exception):
    """Text that is not strict YAML; `line` counts from 1."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(sentence)
        self.line = line


@dataclass(frozen=True)
class Document:
    """What a text says, and on which line each key stands.

    >>> Document({"stages": [{"steps": 3}]},
    ...          {(): 1, ("stages",): 1, ("stages", 0): 2, ("stages", 0, "steps"): 2})
    """

    tree: Any
    lines: dict[KeyPath, int]


def parse(text: str) -> Document:
    """The document in `text`; raises BadYaml."""
    try:
        node = yaml.compose(text, Loader=CoreLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadYaml(mark.line + 1 if mark else 1, f"not valid YAML: {error.problem}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise BadYaml(line, f"not valid YAML: character {error.character!r}") from error
    builder = _Builder()
    tree = None if node is None else builder.build(node, ())
    return Document(tree, builder.lines)


class CoreLoader(yaml.SafeLoader):
    """PyYAML's loader with YAML 1.2's idea of what a plain scalar is."""

    yaml_implicit_resolvers: dict[str | None, list[Any]] = {}  # noqa: RUF012 - PyYAML's own name


for _tag, (_pattern, _value) in CORE.items():
    _regexp = re.compile(rf"(?:{_pattern})\Z")
    CoreLoader.add_implicit_resolver(_PREFIX + _tag, _regexp, None)


class _Builder:
    """Turns composed nodes into plain values, noting lines on the way."""

    def __init__(self) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._open: set[int] = set()

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if id(node) in self._open:
            raise BadYaml(line, "an anchor that holds itself")
        self._open.add(id(node))
        value = self._mapping(node, path) if _is(node, "map") else self._list(node, path)
        self._open.remove(id(node))
        return value

    def _list(self, node: yaml.Node, path: KeyPath) -> list[Any]:
        if not _is(node, "seq"):
            raise BadYaml(node.start_mark.line + 1, f"the tag {node.tag!r} is not allowed")
        return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: yaml.Node, path: KeyPath) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise BadYaml(line, "a key must be text, not a list or a mapping")
            here = (*path, key_node.value)
            if key_node.value in tree:
                twice = f"is written twice, first on line {self.lines[here]}"
                raise BadYaml(line, f"key {key_node.value!r} {twice}")
            self.lines[here] = line
            tree[key_node.value] = self.build(value_node, here)
        return tree


def _is(node: yaml.Node, tag: str) -> bool:
    return bool(node.tag == _PREFIX + tag)


def _scalar(node: yaml.ScalarNode) -> Any:
    if _is(node, "str"):
        return node.value
    line = node.start_mark.line + 1
    name = node.tag.removeprefix(_PREFIX)
    if name not in CORE:
        raise BadYaml(line, f"the tag {node.tag!r} is not allowed")
    pattern, value = CORE[name]
    if not re.fullmatch(pattern, node.value):
        raise BadYaml(line, f"{node.value!r} is not a YAML {name}")
    return value(node.value)


def _whole(text: str) -> int:
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
