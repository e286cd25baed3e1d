"""The judge: what may cross to it, which names are the program's, what counts as a pass."""

import ast
import io
import math
import random
import subprocess
import sys
from typing import Any

import jails
import pytest
from any_text import quickly
from hypothesis import given
from hypothesis import strategies as st

from grpo_rewards.sandbox import FunctionTests, Limits
from grpo_rewards.sandbox.inside import plain, subject
from grpo_rewards.sandbox.inside.remote import Line

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(),
    st.binary(), st.complex_numbers(allow_nan=False), st.sampled_from([int, str, range(3, 9, 2)]),
)  # fmt: skip
HASHABLE = st.recursive(LEAVES, lambda inner: st.tuples(inner, inner), max_leaves=4)
DATA = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.sets(HASHABLE, max_size=4),
        st.frozensets(HASHABLE, max_size=4),
        st.dictionaries(HASHABLE, inner, max_size=4),
    ),
    max_leaves=12,
)


def refuse(value: Any) -> int:
    raise TypeError(value)


@quickly
@given(DATA)
def test_plain_data_crosses_unchanged(value: Any) -> None:
    crossed = plain.decode(plain.encode(value, refuse), refuse)
    assert crossed == value
    assert type(crossed) is type(value)


def test_what_crosses_is_made_of_built_in_types_only() -> None:
    class Yes(int):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = int.__hash__

    crossed = plain.decode(plain.encode({"a": [Yes(3)]}, refuse), refuse)
    assert type(crossed["a"][0]) is int
    assert crossed != {"a": [4]}
    assert math.isnan(plain.decode(plain.encode(math.nan, refuse), refuse))
    assert plain.decode(plain.encode(10**5000, refuse), refuse) == 10**5000


@pytest.mark.parametrize(
    "message", [{}, {"tuple": 3}, {"eval": "1"}, {"int": []}, {"type": "eval"}]
)
def test_a_broken_message_is_no_value(message: Any) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        plain.decode(message, refuse)


@pytest.mark.parametrize(
    ("tests", "known", "entry", "names"),
    [
        ("assert f(1) == 2", "", "", {"f"}),
        ("assert set(f(1)) == {len('a')}", "", "", {"f"}),
        ("assert sum(10, 15) == 6", "", "", {"sum"}),
        ("assert set(sum(1, 2)) == {3}", "", "", set()),
        ("assert f(x) == 2\nx = 1", "", "", {"f"}),
        ("assert f(sys.maxsize) == 2", "", "", {"f"}),
        ("assert copy([1]) == [1]", "", "", {"copy"}),
        ("root = Node(1)\nassert depth(root) == 1", "", "", {"Node", "depth"}),
        ("def check(c):\n    assert c(helper(1)) == f(2)", "helper", "f", {"f"}),
        ("def check(c):\n    assert c(1)", "", "Solution().add", {"Solution"}),
        ("import math as m\nassert m.isclose(f(1), 2)", "", "", {"f"}),
        ("assert all(f(i) for i in [1])", "", "", {"f"}),
    ],
)
def test_only_the_names_under_test_are_the_programs(
    tests: str, known: str, entry: str, names: set[str]
) -> None:
    assert subject.program_names([ast.parse(tests)], known.split(), entry) == names


def verdict(program: str, *sources: str, **more: str) -> tuple[str, int, int]:
    tests = FunctionTests(sources, **more)
    report = tests.run(program, jails.best(), Limits(), to_the_end=True)
    return report.outcome, report.passed, report.total


def test_a_program_that_never_ran_is_not_called_wrong() -> None:
    line = Line(io.BytesIO(), io.BytesIO())
    assert line.load("def f():\n    return 3") == "no jail"


@pytest.mark.slow
def test_every_style_of_tests_is_run() -> None:
    add = "def add(a, b):\n    return a + b"
    case = "import unittest\nclass T(unittest.TestCase):\n"
    unit = f"{case}    def test(self):\n        self.assertEqual"
    assert verdict(add, "assert add(1, 2) == 3", "assert add(1, 2) == 4") == ("wrong", 1, 2)
    assert verdict(add, "x = add(1, 2)\nassert x == 3\nassert x != 4") == ("correct", 2, 2)
    assert verdict(add, "def test_it():\n    assert add(1, 2) == 3") == ("correct", 1, 1)
    assert verdict(add, f"{unit}(add(1, 2), 3)") == ("correct", 1, 1)
    assert verdict(add, f"{unit}(add(1, 2), 4)") == ("wrong", 0, 1)
    check = "def check(candidate):\n    assert candidate(1, 2) == 3"
    assert verdict(add, check, entry_point="add") == ("correct", 1, 1)
    solution = "class Solution:\n    def add(self, a, b):\n        return a + b"
    assert verdict(solution, check, entry_point="Solution().add") == ("correct", 1, 1)


@pytest.mark.slow
def test_tests_that_ask_nothing_of_the_program_pass_nobody() -> None:
    assert verdict("pass", "assert True") == ("error", 1, 1)
    assert verdict("pass", "assert sorted([2, 1]) == [1, 2]", entry_point="f")[0] == "error"
    assert verdict("pass", "x = 1")[0] == "error"
    assert verdict("pass", "assert (")[0] == "error"


@pytest.mark.slow
def test_objects_of_the_program_can_be_used_but_prove_nothing() -> None:
    program = """
class Node:
    def __init__(self, value):
        self.value, self.left = value, None
    __eq__ = __bool__ = lambda *given: True
def depth(node):
    return 0 if node is None else 1 + depth(node.left)
def make(value):
    return Node(value)
"""
    setup = "root = Node(3)\nroot.left = Node(4)"
    assert verdict(program, "assert depth(root) == 2", setup=setup) == ("correct", 1, 1)
    assert verdict(program, "assert make(7).value == 7") == ("correct", 1, 1)
    for claim in ("make(7)", "make(7) == 7", "not make(7) != 7", "7 in [make(7)]", "7 == make(7)"):
        assert verdict(program, f"assert {claim}") == ("wrong", 0, 1), claim


@pytest.mark.slow
def test_a_program_cannot_be_its_own_judge() -> None:
    shadows = "set = sorted = len = lambda *given: 3\ndef f(x):\n    return 3"
    assert verdict(shadows, "assert set(f(1)) == {1}") == ("wrong", 0, 1)
    stub = "def double(x):\n    return 2 * x\n\ndef half(x):\n    ...\n"
    check = "def check(candidate):\n    assert double(candidate(3)) == 3"
    cheat = f"{stub}\ndef double(x):\n    return 3\ndef half(x):\n    return 0"
    honest = f"{stub}\ndef half(x):\n    return x / 2"
    assert verdict(honest, check, stub=stub, entry_point="half") == ("correct", 1, 1)
    assert verdict(cheat, check, stub=stub, entry_point="half") == ("wrong", 0, 1)


@pytest.mark.slow
def test_what_a_program_raises_reaches_the_tests_but_ends_no_loop() -> None:
    expects = (
        "try:\n    f(1)\n    passed = False\nexcept ValueError:\n    passed = True\nassert passed"
    )
    assert verdict("def f(x):\n    raise ValueError(x)", expects) == ("correct", 1, 1)
    assert verdict("def f(x):\n    raise KeyError(x)", expects) == ("wrong", 0, 1)
    mapped = "assert all(y == 1 for y in list(map(f, [1, 2])))"
    assert verdict("def f(x):\n    raise StopIteration", mapped) == ("wrong", 0, 1)
    swallow = "try:\n    f(1)\nexcept BaseException:\n    pass\nassert True"
    assert verdict("import os\ndef f(x):\n    os._exit(0)", swallow) == ("wrong", 0, 0)


@pytest.mark.slow
def test_changes_to_an_argument_stay_with_the_program() -> None:
    cheat = "def order(items):\n    items.clear()\n    return []"
    tests = "given = [2, 1]\nassert order(given) == sorted(given)"
    assert verdict(cheat, tests) == ("wrong", 0, 1)


@pytest.mark.slow
def test_chance_and_the_order_of_sets_are_the_same_in_every_run() -> None:
    letters = "''.join({'a', 'b', 'c', 'd', 'e', 'f'})"
    python = [sys.executable, "-c", f"print({letters}, end='')"]
    order = subprocess.check_output(python, env={"PYTHONHASHSEED": "0"}, text=True)
    tests = f"import random\nassert random.random() == {random.Random(0).random()}\n"
    tests += f"assert f() == {order!r}"
    assert verdict(f"def f():\n    return {letters}", tests) == ("correct", 2, 2)
