"""Which names in a row's tests are the program's to define; every other name is the judge's own.

The judge's `set`, `len` and `sorted` must never be the program's: it would judge itself.
"""

import ast
import builtins
import sys
from collections.abc import Iterable

_BUILTINS = frozenset(vars(builtins))


def program_names(trees: Iterable[ast.AST], known: Iterable[str], entry: str) -> set[str]:
    """The names that are looked up in the program.

    Those the expression `entry` uses; and those the tests use and neither bind themselves, nor
    find among `known`, the built-ins or, where it is not called, the standard library's modules.
    Where that leaves none and the tests call exactly one built-in, that one is meant: a program
    may well be asked for a function named `sum`.
    """
    trees = list(trees)
    used, bound = _names(trees, ast.Load), _bound(trees)
    called = _called(trees)
    subject = _names([ast.parse(entry, mode="eval")], ast.Load) if entry else set()
    free = used - bound - set(known) - _BUILTINS - (sys.stdlib_module_names - called)
    if subject | free:
        return subject | free
    only = (called & _BUILTINS) - bound
    return only if len(only) == 1 else set()


def library_names(trees: Iterable[ast.AST], known: Iterable[str]) -> set[str]:
    """Modules of the standard library that the tests use without an import of their own."""
    trees = list(trees)
    unbound = _names(trees, ast.Load) - _bound(trees) - set(known) - _called(trees)
    return unbound & sys.stdlib_module_names


def _names(trees: Iterable[ast.AST], context: type[ast.expr_context]) -> set[str]:
    names = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name))
    return {node.id for node in names if isinstance(node.ctx, context)}


def _called(trees: Iterable[ast.AST]) -> set[str]:
    calls = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {call.func.id for call in calls if isinstance(call.func, ast.Name)}


def _bound(trees: list[ast.AST]) -> set[str]:
    """Every name the tests bind anywhere, by whatever statement."""
    bound = _names(trees, ast.Store)
    for node in (node for tree in trees for node in ast.walk(tree)):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                bound.add(name)
            case ast.ClassDef(name=name) | ast.ExceptHandler(name=str(name)):
                bound.add(name)
            case ast.arg(arg=name):
                bound.add(name)
            case ast.alias(name=name, asname=other):
                bound.add(other or name.partition(".")[0])
    return bound
