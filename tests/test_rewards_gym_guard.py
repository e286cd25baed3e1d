"""What reasoning-gym's scorers never see: answers that would run, or be paid by oversight."""

import ast
import inspect
import textwrap
from pathlib import Path

import pytest

from grpo_data.problem import Problem
from grpo_data.sources import load_problems
from grpo_rewards.gym_guard import CHECKS
from grpo_rewards.reasoning_gym import reasoning_gym
from grpo_rewards.verdict import Judged, Sample

library = pytest.importorskip("reasoning_gym", reason="reasoning-gym is not installed")


def problem(task: str, **config: object) -> Problem:
    return load_problems(f"reasoning_gym:{task}", limit=1, config={"seed": 11, **config})[0]


def judged(of: Problem, answer: str, partial: bool = True) -> Judged:
    """With partial credit, so that every mark below 1 is seen."""
    text = f"<think>so</think><answer>{answer}</answer>"
    return reasoning_gym(partial=partial).judge(Sample(of.question, text, of.columns))


@pytest.mark.parametrize(
    ("task", "cheat"),
    [
        ("coin_flip", "0"),
        ("game_of_life_halting", "perhaps"),
        ("puzzle24", "6*4*1*1"),
        ("puzzle24", "{0}*0 + {1}*0 + {2}*0 + {3}*0 + 24"),
    ],
)
def test_what_a_scorer_pays_by_oversight_is_not_paid(task: str, cheat: str) -> None:
    one = problem(task)
    row = one.columns["reasoning_gym"]
    answer = cheat.format(*row["metadata"].get("numbers", ()))
    if "{" not in cheat:  # the hole is really there
        entry = {"answer": row["answer"], "metadata": row["metadata"]}
        assert library.create_dataset(task, seed=0, size=1).score_answer(answer, entry) == 1.0
    assert judged(one, answer) == Judged(0.0, "wrong")
    assert judged(one, one.answer) == Judged(1.0, "correct")


def test_24_and_a_half_is_not_24() -> None:
    row = {"task": "puzzle24", "config": {}, "answer": "", "metadata": {"numbers": [6, 4, 1, 2]}}
    one = Problem("", "", "", "", {"reasoning_gym": row})
    assert judged(one, "6*4 + 1/2").value == 0.0  # the scorer's int() makes 24 of it
    assert judged(one, "6*4*(2 - 1)").value == 1.0


HOSTILE = [
    "__import__('pathlib').Path({!r}).touch()",
    "[__import__('pathlib').Path({!r}).touch()]",
    "[x for x in [open({!r}, 'w')]]",
    "(lambda: open({!r}, 'w'))()",
    "'a'.join(str(open({!r}, 'w')))",
    "sympify(open({!r}, 'w'))",
    'f"{{open({!r}, 1)}}"',
    "  open({!r}, 'w')",
]


@pytest.mark.parametrize("task", CHECKS)
def test_no_answer_is_run(task: str, tmp_path: Path) -> None:
    one, victim = problem(task), tmp_path / "victim"
    for text in HOSTILE:
        assert judged(one, text.format(str(victim))) == Judged(0.0, "unparseable"), text
    assert not victim.exists()


def test_without_the_guard_an_answer_is_run(tmp_path: Path) -> None:
    """What the guard is there for: should this fail, reasoning-gym has mended it."""
    victim = tmp_path / "victim"
    scorer = library.create_dataset("spiral_matrix", seed=0, size=1)
    scorer.score_answer(HOSTILE[0].format(str(victim)), {"answer": "1", "metadata": {}})
    assert victim.exists()


@pytest.mark.parametrize(
    ("task", "text", "harmless"),
    [
        ("spiral_matrix", "1 2 3", True),
        ("spiral_matrix", "[1, -2, 'a']", True),
        ("spiral_matrix", "1 2 3)", True),
        ("string_insertion", "ABCDE", True),
        ("string_insertion", "'a' * 9**9", False),
        ("string_insertion", "a.b", False),
        ("n_queens", "[[0] * 10**9]", False),
        ("n_queens", "-" * 5000 + "1", False),
        ("countdown", "49*(85 - 1)/14 - 42 - 73.5", True),
        ("countdown", "9**9**9", False),
        ("countdown", "exit()", False),
        ("countdown", "factorial(10)", False),
        ("countdown", "x.y", False),
        ("countdown", "_", False),
        ("countdown", "1 if 1 else 2", False),
        ("countdown", "99999999!", False),
        ("simple_integration", "2*X**9 - sin(X)/3 + C", True),
        ("simple_integration", "[1]", False),
        ("simple_integration", "'a'", False),
        ("bitwise_arithmetic", "((0x3a24 - 0x24b8) << 2)", True),
        ("bitwise_arithmetic", "abs(0x1)", False),
        ("chain_sum", "__import__('os')", True),  # its scorer compares texts
    ],
)
def test_what_may_be_shown_to_a_scorer_that_evaluates(task: str, text: str, harmless: bool) -> None:
    assert task not in CHECKS or CHECKS[task](text) is harmless


@pytest.mark.parametrize("column", ["answer", "integrand", "problem"])
@pytest.mark.parametrize("task", ["simple_integration", "bitwise_arithmetic", "number_sorting"])
def test_no_row_is_run(task: str, column: str, tmp_path: Path) -> None:
    one, victim = problem(task), tmp_path / "victim"
    row = dict(one.columns["reasoning_gym"])
    metadata = {**row["metadata"], column: HOSTILE[0].format(str(victim))}
    row |= {column: metadata[column]} if column == "answer" else {"metadata": metadata}
    judged(Problem("", "", "", "", {"reasoning_gym": row}), one.answer)
    assert not victim.exists()


def evaluates(cls: type) -> bool:
    """Whether what `score_answer` reaches in its own module calls something that evaluates."""
    module, todo, seen = inspect.getmodule(cls), ["score_answer"], set[str]()
    while todo:
        name = todo.pop()
        found = getattr(cls, name, None) or getattr(module, name, None)
        if name in seen or not inspect.isfunction(found):
            continue
        seen.add(name)
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(found)))):
            called = getattr(node, "attr", None) or getattr(node, "id", None)
            if called in ("eval", "exec", "compile", "parse_expr", "sympify", "loads") and (
                called != "loads" or "pickle" in ast.dump(node)
            ):
                return True
            todo.extend([called] if isinstance(called, str) else [])
    return False


def test_every_scorer_that_evaluates_is_guarded() -> None:
    found = {name for name, (cls, _) in library.factory.DATASETS.items() if evaluates(cls)}
    assert found == set(CHECKS)
