"""`code`: which program a completion answers with, which tests a row has, and real data."""

import json
import random
import time
from pathlib import Path
from typing import Any

import any_text
import jails
import pytest
from hypothesis import given

from grpo_rewards import RewardError, Scorer
from grpo_rewards.code import code
from grpo_rewards.program import program_of
from grpo_rewards.sandbox import FunctionTests, ScriptTests
from grpo_rewards.sandbox.rows import read_tests
from grpo_rewards.verdict import Judged, Sample

DATA = Path(__file__).parents[2] / "shared" / "data" / "code"
ADD = "def add(a, b):\n    return a + b"
ROW = {"test": "assert add(3, 4) == 7"}


def fenced(program: str, name: str = "python") -> str:
    return f"<think>Let me add.</think>\n```{name}\n{program}\n```\n"


@pytest.mark.parametrize(
    ("text", "program"),
    [
        (fenced("x = 1"), "x = 1"),
        (fenced("x = 1", "py"), "x = 1"),
        (fenced("x = 1", "Python3 title=a.py"), "x = 1"),
        (fenced("x = 1", ""), "x = 1"),
        (fenced("x = 1", "bash"), None),
        ("```python\nx = 1\n```\nor\n```python\nx = 2\n```", "x = 2"),
        ("```python\nx = 1\n```\nIt prints\n```\n1\n```", "x = 1"),
        ("```python\nx = 1\n```\nRun it:\n```bash\npython x.py\n```", "x = 1"),
        ("````python\nx = '''\n```\n'''\n````", "x = '''\n```\n'''"),
        ("```python\n    return a + b\n```", "    return a + b"),
        ("```python\nx = 1", None),
        ("```python\nx = 1\n```\n```python\nx = 2", None),
        ("```python\nx = 1```", None),
        ("```python\n\n```", None),
        ("x = 1", None),
        ("`x = 1`", None),
        ("", None),
        ("<think>```python\nx = 1\n```</think>", None),
        ("<think>```python\nx = 1\n```", None),
        ("<think>```python\nx = 1\n```</think>```python\nx = 2\n```", "x = 2"),
        ("<think>a</think><answer>\n```python\nx = 1\n```\n</answer>", "x = 1"),
        ("<think>a</think><answer>```python\nx = 1\n```</answer>", "x = 1"),
        ("<think>a</think><answer>\nx = 1\n</answer>", "x = 1"),
        ("<think>a</think>```python\nx = 1\n```<answer>x = 2</answer>", "x = 2"),
        ("<think>a</think><answer>x = 1</answer><answer>x = 2</answer>", None),
        ("<think><answer>x = 1</answer></think>", None),
        ("<think>a</think><answer>x = 1", None),
        ("<think>a</think><answer></answer>", None),
    ],
)
def test_the_program_is_what_the_completion_answers_with(text: str, program: str | None) -> None:
    assert program_of(text) == program


def test_a_prompt_that_opens_the_thought_counts() -> None:
    block = "```python\nx = 1\n```"
    assert program_of(block, "<think>") is None
    assert program_of(f"a</think>{block}", "<think>") == "x = 1"


@any_text.quickly
@given(any_text.any_text)
def test_any_text_has_a_program_or_none(text: str) -> None:
    program = program_of(text)
    assert program is None or (program.strip() and program in text)


@pytest.mark.parametrize(
    "piece", ["`", "```", "``` ` ", "``` \n", "~" * 9, "```a ", " ", "<answer>"]
)
def test_looking_for_the_program_takes_time_linear_in_the_text(piece: str) -> None:
    text = "```" + piece * (2_000_000 // len(piece)) + "`x"
    began = time.process_time()
    program_of(text)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("value", "tests"),
    [
        ("assert f(1) == 2", FunctionTests(("assert f(1) == 2",))),
        (["assert f(1)", "assert f(2)"], FunctionTests(("assert f(1)", "assert f(2)"))),
        ({"inputs": ["1"], "outputs": ["2"]}, ScriptTests((("1", "2"),))),
        ('{"inputs": ["1"], "outputs": ["2"]}', ScriptTests((("1", "2"),))),
        ({"inputs": [["1", "2"]], "outputs": [["3"]]}, ScriptTests((("1\n2", "3"),))),
        ([{"input": "1", "output": "2"}], ScriptTests((("1", "2"),))),
        ('[{"input": "1", "output": "2"}]', ScriptTests((("1", "2"),))),
        ({"inputs": ["1"], "outputs": [""]}, None),
        (None, None),
        ("", None),
        ([], None),
        ([" "], None),
    ],
)
def test_each_shape_of_tests_is_known(value: Any, tests: Any) -> None:
    assert read_tests(value, None, "", "") == tests


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{not json", "must be JSON"),
        ({"input": "1"}, "two lists"),
        ({"inputs": ["1"], "outputs": []}, "1 inputs but 0 outputs"),
        ({"inputs": [[1]], "outputs": [2], "fn_name": "f"}, r"assert f\(\.\.\.\) == "),
    ],
)
def test_a_shape_nobody_knows_is_an_error(value: Any, message: str) -> None:
    with pytest.raises(RewardError, match=message):
        read_tests(value, None, "", "")


def test_what_needs_no_run_is_settled_at_once() -> None:
    rule = code()
    assert rule.quick(Sample("", "x = 1", ROW)) == Judged(0.0, "unparseable")
    assert rule.quick(Sample("", fenced(ADD), {"test": None})) == Judged(None, "skipped")
    assert rule.quick(Sample("", fenced(ADD), ROW)) is None
    with pytest.raises(RewardError, match="hidden tests in a column 'test', but the row has"):
        rule.quick(Sample("", fenced(ADD), {"tests": "assert add(3, 4) == 7"}))


def judged(text: str, row: dict[str, Any], **knobs: Any) -> Judged:
    jails.best()
    return code(**knobs).judge(Sample("Add.", text, row))


@pytest.mark.slow
def test_all_tests_must_pass_unless_a_share_is_asked_for() -> None:
    row = {"test": ["assert add(3, 4) == 7", "assert add(0, 1) == 9", "assert add(1, 1) == 2"]}
    assert judged(fenced(ADD), ROW) == Judged(1.0, "correct")
    assert judged(fenced(ADD), row) == Judged(0.0, "wrong")
    assert judged(fenced(ADD), row, partial=True) == Judged(2 / 3, "wrong")
    assert judged(fenced("def add(a, b):"), row, partial=True) == Judged(0.0, "unparseable")
    assert judged(fenced("1 / 0\n" + ADD), row, partial=True) == Judged(0.0, "wrong")


@pytest.mark.slow
def test_scripts_are_compared_token_by_token() -> None:
    row = {"test": {"inputs": ["3 4", "1 1", "0 5"], "outputs": ["7\n", "2\n", "5\n"]}}
    add = "a, b = map(int, input().split())\n"
    assert judged(fenced(add + "print(a + b)"), row) == Judged(1.0, "correct")
    assert judged(fenced(add + "print('', a + b, '\\n')"), row) == Judged(1.0, "correct")
    assert judged(fenced(add + "print(a + b, 0)"), row) == Judged(0.0, "wrong")
    assert judged(fenced(add + "print(max(a + b, 5))"), row) == Judged(0.0, "wrong")
    partly = judged(fenced(add + "print(max(a + b, 5))"), row, partial=True)
    assert partly == Judged(2 / 3, "wrong")
    guarded = "if __name__ == '__main__':\n    print(sum(map(int, input().split())))"
    assert judged(fenced(guarded), row) == Judged(1.0, "correct")
    assert judged(fenced("print(1"), row) == Judged(0.0, "unparseable")


@pytest.mark.slow
def test_a_completion_may_go_on_with_the_stub_or_write_it_again() -> None:
    stub = "def twice(x):\n    return 2 * x\n\n\ndef four(x):\n    '''Four times x.'''\n"
    check = "def check(candidate):\n    assert candidate(3) == 12 == twice(6)"
    row = {"question": stub, "entry_point": "four", "test": check}
    body = "    return twice(twice(x))"
    assert judged(fenced(body), row) == Judged(1.0, "correct")
    assert judged(fenced(f"def four(x):\n{body}"), row) == Judged(1.0, "correct")
    assert judged(fenced("    return twice(x)"), row) == Judged(0.0, "wrong")
    words = {**row, "question": "Write four(x).", "test": check.replace(" == twice(6)", "")}
    assert judged(fenced("def four(x):\n    return 4 * x"), words) == Judged(1.0, "correct")


@pytest.mark.slow
def test_it_runs_in_the_scorers_workers_beside_hostile_neighbours() -> None:
    jails.best()
    loop, sleep = "while True:\n    pass", "import time\ntime.sleep(600)"
    bloat, leave = "held = [bytes(10**6) for _ in range(10**6)]", "import os\nos._exit(0)"
    programs = [ADD, loop, bloat, leave, sleep, ADD]
    texts = [*map(fenced, programs), "no program"]
    knobs = {"weight": 1.0, "cpu_s": 1, "wall_s": 5.0, "memory_mb": jails.LIMITS.memory_mb}
    with Scorer({"code": knobs}) as scorer:
        scorer.start()
        verdicts = scorer.score(["Add."] * 7, texts, [ROW] * 7)
    outcomes = [one.outcomes["code"] for one in verdicts]
    assert outcomes == ["correct", "timeout", "wrong", "wrong", "timeout", "correct", "unparseable"]
    assert [one.reward for one in verdicts] == [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    assert jails.left_behind() == []


def rows(name: str) -> list[dict[str, Any]]:
    path = DATA / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"no data at {path}")
    return [json.loads(line) for line in path.read_text().splitlines()]


def passes_humaneval(row: dict[str, Any], solution: str) -> bool:
    return judged(fenced(solution), {**row, "question": row["prompt"]}).value == 1.0


def passes_mbpp(row: dict[str, Any], solution: str) -> bool:
    return judged(fenced(solution), row, tests="test_list").value == 1.0


@pytest.mark.slow
def test_a_sample_of_humaneval_accepts_its_own_solutions_and_no_others() -> None:
    chosen = random.Random(0).sample(rows("humaneval"), 12)
    # 32, 38 and 50 test by helpers of their stubs, 33 by the candidate's own name.
    chosen += [row for row in rows("humaneval") if row["task_id"][10:] in ("32", "33", "38", "50")]
    for row, other in zip(chosen, chosen[1:] + chosen[:1], strict=True):
        assert passes_humaneval(row, row["canonical_solution"]), row["task_id"]
        swapped = f"def {row['entry_point']}(*given):\n    return None\n" + other["prompt"]
        assert not passes_humaneval(row, swapped), row["task_id"]


@pytest.mark.slow
def test_a_sample_of_mbpp_accepts_its_own_solutions_and_no_others() -> None:
    chosen = random.Random(0).sample(rows("mbpp"), 12)
    # 126 asks for a function `sum`, 367 and 601 build objects, 533 passes types, 596 uses sys.
    chosen += [row for row in rows("mbpp") if row["task_id"] in (126, 367, 533, 596, 601)]
    for row, other in zip(chosen, chosen[1:] + chosen[:1], strict=True):
        assert passes_mbpp(row, row["code"]), row["task_id"]
        assert not passes_mbpp(row, other["code"]), row["task_id"]


@pytest.mark.full
def test_all_of_humaneval_passes() -> None:
    data = rows("humaneval")
    failed = [r["task_id"] for r in data if not passes_humaneval(r, r["canonical_solution"])]
    assert (len(data), failed) == (164, [])


@pytest.mark.full
def test_all_of_mbpp_passes() -> None:
    data = rows("mbpp")
    failed = [row["task_id"] for row in data if not passes_mbpp(row, row["code"])]
    assert (len(data), failed) == (974, [])
