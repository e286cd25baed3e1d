"""The schema as a tree that can be walked along a key path: which section, which knob, which name.

It reads pydantic's fields and so knows nothing of any one section; a new stage kind or a new
knob needs no line here.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from grpo.recipe.base import KeyPath, Section
from grpo.recipe.schema import Recipe


def section_at(path: KeyPath, tree: Any) -> type[Section] | None:
    """The section class that governs the mapping at `path`; None where there is none.

    `tree` is the recipe as plain values: which class a stage is hangs on its `kind`.
    """
    annotation: Any = Recipe
    node = tree
    for step in path:
        annotation = _child(annotation, node, step)
        node = value_at((step,), node)
    return section_of(annotation, node)


def knob_at(path: KeyPath, tree: Any) -> FieldInfo | None:
    """The knob at `path`; None where the schema has none, or inside a list or a free mapping."""
    section = section_at(path[:-1], tree) if path else None
    return section.model_fields.get(str(path[-1])) if section else None


def value_at(path: KeyPath, tree: Any) -> Any:
    """What stands at `path` in a tree of dicts and lists; None where nothing does."""
    for step in path:
        if isinstance(tree, Mapping):
            tree = tree.get(step)
        elif isinstance(tree, Sequence) and isinstance(step, int) and step < len(tree):
            tree = tree[step]
        else:
            return None
    return tree


def section_of(annotation: Any, node: Any) -> type[Section] | None:
    """The section class `annotation` allows; among several, the one whose `kind` is the node's."""
    sections = list(_sections(annotation))
    if len(sections) == 1:
        return sections[0]
    kind = node.get("kind") if isinstance(node, Mapping) else None
    return next((section for section in sections if _kind(section) == kind), None)


def types_of(field: FieldInfo | None) -> tuple[Any, ...]:
    """The types a knob's value may have, the members of a union one by one."""
    if field is None:
        return ()
    is_union = get_origin(field.annotation) in (Union, UnionType)
    return get_args(field.annotation) if is_union else (field.annotation,)


def stage_kinds() -> list[str]:
    """Every stage kind there is, in the schema's order."""
    kinds = map(_kind, _sections(Recipe.model_fields["stages"].annotation))
    return [kind for kind in kinds if kind]


def key_name(path: KeyPath, tree: Any) -> str:
    """The path as a user writes it, a stage by its name: `stages.zero.sampling.top_p`."""
    name = ""
    for depth, step in enumerate(path):
        if isinstance(step, int):
            own = value_at((*path[: depth + 1], "name"), tree)
            name += f".{own}" if isinstance(own, str) and own else f"[{step}]"
        else:
            name += f".{step}" if name else step
    return name


def _child(annotation: Any, node: Any, step: str | int) -> Any:
    if isinstance(step, int):
        return next(iter(get_args(annotation)), None)
    section = section_of(annotation, node)
    if section is None:
        return _value_of_mapping(annotation)
    field = section.model_fields.get(step)
    return field.annotation if field else None


def _value_of_mapping(annotation: Any) -> Any:
    """What stands under any name of a free mapping; None where there is no such mapping."""
    kinds = (annotation, *get_args(annotation))
    return next((get_args(kind)[1] for kind in kinds if get_origin(kind) is dict), None)


def _sections(annotation: Any) -> Iterator[type[Section]]:
    if get_origin(annotation) is dict:
        return  # its values may be sections, it is none
    if isinstance(annotation, type) and get_origin(annotation) is None:
        if issubclass(annotation, Section):
            yield annotation
        return
    for part in get_args(annotation):
        yield from _sections(part)


def _kind(section: type[Section]) -> str | None:
    field = section.model_fields.get("kind")
    return next(iter(get_args(field.annotation)), None) if field else None
