"""Runs the tests of one row against a program in another process, and says how many passed.

No code of the program ever runs here, and nothing it does can reach the place the verdict is
written from: this process, its memory, its pipe to the parent.
"""

import ast
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import FunctionType
from typing import Any

from grpo_rewards.sandbox.inside import subject, wire
from grpo_rewards.sandbox.inside.remote import Gone, Line

Names = dict[str, Any]
Step = Callable[[], Any]
_SEED = 0


def main(said_fd: str, heard_fd: str) -> None:
    """Judge the job on stdin; the line to the program is the two descriptors; verdict to stdout."""
    heard, verdict = wire.take_standard_streams()
    job = json.loads(heard.read())
    with os.fdopen(int(said_fd), "wb") as said, os.fdopen(int(heard_fd), "rb") as answers:
        wire.send(verdict, judged(job, Line(said, answers)))


def judged(job: Mapping[str, Any], line: Line) -> dict[str, Any]:
    """{"passed": n, "total": m, "state": ...}, the state being one of "judged", "failed" (the
    program raised as it was loaded), "gone", "no program" (it does not compile), "no jail" (it was
    never run) and "no tests"."""
    passed, total = 0, 0
    try:
        state = line.load(job["program"])
        if state == "loaded":
            passed, total = _count(job, line)
            untold = passed == total and not line.calls
            state = "no tests" if untold else "judged"
    except Gone:
        state = "gone"
    except (SyntaxError, ValueError):
        state = "no tests"
    return {"passed": passed, "total": total, "state": state}


def _count(job: Mapping[str, Any], line: Line) -> tuple[int, int]:
    """(passed, total) of the tests that ran; nothing has passed where they cannot be set up."""
    passed, total = 0, 0
    for is_test, step in _steps(job, line):
        passes = _passes(step, line)
        if not is_test and not passes:
            return 0, total + 1
        total += is_test
        passed += is_test and passes
        if job["stop_early"] and passed < total:
            break
    return passed, total


def _passes(step: Step, line: Line) -> bool:
    """Whether nothing was raised, and the program is still there."""
    try:
        step()
    except Gone:
        raise
    except BaseException:
        return False
    if not line.is_open:
        raise Gone
    return True


def _steps(job: Mapping[str, Any], line: Line) -> Iterator[tuple[bool, Step]]:
    """What there is to do, in order, each with whether it is a test: an assert at the top level
    is one, and so is what the sources define (see `_defined`)."""
    sources = [job["setup"], *job["tests"]]
    trees = [ast.parse(source) for source in sources]
    names = _namespace(job, trees, line)
    for statement in (statement for tree in trees for statement in tree.body):
        code = compile(ast.Module([statement], []), "tests.py", "exec", dont_inherit=True)
        yield isinstance(statement, ast.Assert), partial(exec, code, names)
    for test in _defined(names, job["entry_point"]):
        yield True, test


def _namespace(job: Mapping[str, Any], trees: list[ast.Module], line: Line) -> Names:
    """The names the tests begin with: the stub's helpers, modules, and the program's own."""
    names: Names = {"__name__": "tests"}
    if any("random" in source for source in job["tests"]):
        importlib.import_module("random").seed(_SEED)
    exec(compile(job["stub"], "stub.py", "exec", dont_inherit=True), names)
    for name in subject.library_names(trees, names):
        names[name] = importlib.import_module(name)
    for name in subject.program_names(trees, names, job["entry_point"]):
        names[name] = line.name(name)
    return names


def _defined(names: Names, entry: str) -> Iterator[Step]:
    """Tests the sources define: `check(candidate)`, `test_...()`, methods of unittest's cases."""
    for name, value in list(names.items()):
        if not isinstance(value, FunctionType):
            continue
        if name == "check" and entry:
            yield partial(_check, value, entry, names)
        elif name.startswith("test_"):
            yield value
    yield from _methods(names)


def _check(check: Callable[[Any], None], entry: str, names: Names) -> None:
    check(eval(entry, names))


def _methods(names: Names) -> Iterator[Step]:
    unittest = sys.modules.get("unittest")
    if unittest is None:
        return
    classes = [value for value in names.values() if isinstance(value, type)]
    for case in classes:
        if issubclass(case, unittest.TestCase):
            for method in unittest.defaultTestLoader.getTestCaseNames(case):
                yield case(method).debug
