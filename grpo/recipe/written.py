"""A recipe as it was written: plain values, and where each of them came from.

Overrides are set here, before anything is validated, so that one validation judges the file and
the command line together and each error names the one that is at fault.
"""

from typing import Any, get_origin

from grpo.errors import UserError
from grpo.recipe.base import KeyPath
from grpo.recipe.near import did_you_mean
from grpo.recipe.strict_yaml import BadYaml, parse
from grpo.recipe.walk import key_name, knob_at, section_at, types_of, value_at


class Written:
    """The values of one recipe file, with overrides laid over them.

    `tree` is dicts and lists; `origin` maps a key path to `FILE:LINE` or `override 'KEY=VALUE'`.
    """

    def __init__(self, text: str, file: str) -> None:
        try:
            document = parse(text)
        except BadYaml as error:
            raise UserError(f"{file}:{error.line}: {error}") from error
        if not isinstance(document.tree, dict):
            got = "nothing" if document.tree is None else type(document.tree).__name__
            raise UserError(f"{file}:1: a recipe is a mapping of keys to values, got {got}")
        self.file = file
        self.tree: dict[str, Any] = document.tree
        self.origin = {path: f"{file}:{line}" for path, line in document.lines.items()}

    def place(self, path: KeyPath) -> str:
        """Where `path`, or what encloses it most closely, was written."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.origin:
                return self.origin[path[:end]]
        return self.file

    def name(self, path: KeyPath) -> str:
        """The path as a user writes it."""
        return key_name(path, self.tree)

    def override(self, text: str) -> None:
        """Set `KEY=VALUE`: a dotted key with stages by name, the value in YAML.

        A knob that holds text takes an unquoted value as it is, so that `prompt.user={question}`
        and `model.revision=1234567` mean what they look like.
        """
        key, equals, raw = text.partition("=")
        if not equals or not key.strip():
            raise UserError(f"override {text!r}: write it as key=value")
        source = f"override {text!r}"
        path = self.path(key.strip(), source)
        value = self._value(path, raw, source)
        self._set(path, value, source)

    def path(self, key: str, source: str = "") -> KeyPath:
        """Where a dotted key stands. Raises UserError, beginning with `source`, for a stage that
        is not there."""
        path: KeyPath = ()
        steps = key.split(".")
        while steps:
            if path == ("stages",):
                path = (*path, self._stage(steps.pop(0), source))
            elif any(get_origin(kind) is dict for kind in types_of(knob_at(path, self.tree))):
                name = self._in_mapping(path, ".".join(steps))
                path, steps = (*path, name), steps[name.count(".") + 1 :]
            else:
                path = (*path, steps.pop(0))
        return path

    def _in_mapping(self, path: KeyPath, key: str) -> str:
        """The name of a free mapping that `key` begins with; all of it where none is written.

        A custom reward's name has dots of its own: rewards.mine.py:brevity.target is a knob only
        where mine.py:brevity is written.
        """
        written = value_at(path, self.tree)
        for name in written if isinstance(written, dict) else ():
            if key.startswith(f"{name}."):
                return str(name)
        return key

    def _stage(self, name: str, source: str) -> int:
        stages = self.tree.get("stages")
        items = stages if isinstance(stages, list) else []
        names = [item.get("name") if isinstance(item, dict) else None for item in items]
        if name in names:
            return names.index(name)
        known = [known for known in names if isinstance(known, str)]
        raise UserError(f"{source}: no stage is called {name!r}{did_you_mean(name, known)}")

    def _value(self, path: KeyPath, raw: str, source: str) -> Any:
        types = types_of(knob_at(path, self.tree))
        quoted = raw.strip()[:1] in ("'", '"')
        if str in types and not quoted:
            is_null = raw.strip() in ("", "~", "null") and type(None) in types
            return None if is_null else raw
        try:
            return parse(raw).tree
        except BadYaml as error:
            raise UserError(f"{source}: {error}") from error

    def _set(self, path: KeyPath, value: Any, source: str) -> None:
        node: Any = self.tree
        for depth, step in enumerate(path[:-1]):
            if isinstance(node, dict) and node.get(step) is None:
                node[step] = {}
                self.origin[path[: depth + 1]] = source
            here = path[: depth + 1]
            section = section_at(here, self.tree)
            if section and section.shorthand and not isinstance(node[step], dict):
                node[step] = {section.shorthand: node[step]}
            node = node[step]
            if not isinstance(node, dict | list):
                held = self.name(here)
                raise UserError(f"{source}: {held!r} holds a value, not keys")
        if isinstance(node, list):
            raise UserError(f"{source}: name a key inside {self.name(path)!r}")
        node[path[-1]] = value
        self._forget(path)
        self.origin[path] = source

    def _forget(self, path: KeyPath) -> None:
        below = [other for other in self.origin if other[: len(path)] == path]
        for other in below:
            del self.origin[other]
