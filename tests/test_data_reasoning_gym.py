"""reasoning-gym as a data source: rows, settings, and one sentence for whatever is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from grpo.recipe.load import parse_recipe
from grpo_data.sources import load_problems

pytest.importorskip("reasoning_gym", reason="reasoning-gym is not installed")

ROOT = Path(__file__).parents[1]


def test_a_row_carries_what_its_scorer_needs() -> None:
    (one,) = load_problems("reasoning_gym:gcd", limit=1, config={"seed": 3, "max_value": 30})
    row = one.columns["reasoning_gym"]
    assert one.id == "gcd-0" and one.key == one.question and one.columns["kind"] == "gcd"
    assert "greatest common divisor" in one.question.lower()
    assert (row["task"], row["answer"]) == ("gcd", one.answer)
    assert row["config"] == {"seed": 3, "max_value": 30}
    assert max(row["metadata"]["numbers"]) <= 30
    assert json.loads(json.dumps(row)) == row


def test_the_same_seed_is_the_same_problems_and_a_longer_list_begins_with_the_shorter() -> None:
    for tasks in ("chain_sum", "chain_sum,gcd,spell_backward"):
        ten = load_problems(f"reasoning_gym:{tasks}", limit=10)
        assert load_problems(f"reasoning_gym:{tasks}", limit=4) == ten[:4]
        assert load_problems(f"reasoning_gym:{tasks}", limit=10, config={"seed": 0}) == ten
        assert load_problems(f"reasoning_gym:{tasks}", limit=10, config={"seed": 99}) != ten


def test_several_tasks_take_turns_each_with_its_own_settings() -> None:
    config = {"seed": 3, "gcd": {"max_value": 500}, "lcm": {"seed": 8}}
    problems = load_problems("reasoning_gym:gcd,lcm", limit=6, config=config)
    assert [one.id for one in problems] == ["gcd-0", "lcm-0", "gcd-1", "lcm-1", "gcd-2", "lcm-2"]
    settings = [one.columns["reasoning_gym"]["config"] for one in problems[:2]]
    assert settings == [{"seed": 3, "max_value": 500}, {"seed": 8}]


def test_a_question_is_taken_once() -> None:
    config = {"min_numbers": 2, "max_numbers": 2, "min_value": 1, "max_value": 3}
    problems = load_problems("reasoning_gym:gcd", limit=100, config=config)
    questions = [one.question for one in problems]
    assert len(set(questions)) == len(questions) <= 9  # two numbers of 1, 2, 3


def test_500_is_the_size_if_none_is_given() -> None:
    assert len(load_problems("reasoning_gym:decimal_chain_sum")) == 500


def test_a_task_without_one_right_answer_has_an_empty_one() -> None:
    (one,) = load_problems("reasoning_gym:graph_color", limit=1)
    assert one.answer == "" and one.columns["reasoning_gym"]["answer"] is None


@pytest.mark.parametrize(
    ("spec", "config", "sentence"),
    [
        ("chian_sum", {}, "no task 'chian_sum'; near it are chain_sum"),
        ("qqq", {}, "no task 'qqq'; there are .*chain_sum, .*"),
        ("", {}, "no task ''; there are "),
        ("composite", {}, "no task 'composite'; "),
        ("gcd,", {}, "no task ''; there are "),
        ("gcd", {"max_vlue": 3}, "'gcd' has no setting 'max_vlue'; near it are max_value"),
        ("gcd", {"lcm": {"seed": 1}}, "'gcd' has no setting 'lcm'; "),
        ("gcd", {"size": 3}, "config holds a size; the number of problems is data.size"),
        ("gcd,lcm", {"gcd": 3}, "config.gcd holds the settings of a task, got 3"),
        ("gcd", {"min_value": 9, "max_value": 3}, "'gcd' refuses its settings: max_value must"),
        ("gcd", {"seed": None}, "the seed of 'gcd' must be a number, got None"),
        ("gcd", {"max_value": "many"}, "'gcd' refuses its settings: "),
    ],
)
def test_what_is_wrong_is_one_sentence(spec: str, config: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        load_problems(f"reasoning_gym:{spec}", config=config)
    assert "\n" not in str(caught.value)


def test_a_setting_no_generator_reads_is_one_sentence(tmp_path: Path) -> None:
    assert load_problems("tiny:all", limit=3, config={"seed": 1}) != load_problems(
        "tiny:all", limit=3
    )
    with pytest.raises(ValueError, match=r"config does not fit: .*'sede'"):
        load_problems("tiny:all", limit=3, config={"sede": 1})
    (tmp_path / "p.jsonl").write_text('{"question": "q", "answer": 1}')
    with pytest.raises(ValueError, match="is read, not generated: it takes no config"):
        load_problems(str(tmp_path / "p.jsonl"), config={"seed": 1})


RECIPE = """
name: gym
data:
  path: reasoning_gym:chain_sum,gcd
  size: 50
  config: {seed: 3, gcd: {max_value: 20}}
model: {path: tiny-base}
rewards: {reasoning_gym: {weight: 1.0, partial: false}, format: 0.5}
stages: [{name: zero, kind: rl, steps: 1}]
"""


def test_a_recipe_names_tasks_and_settings() -> None:
    recipe = parse_recipe(RECIPE, overrides=["data.config.seed=7", "data.size=6"])
    assert recipe.data.config == {"seed": 7, "gcd": {"max_value": 20}}
    problems = load_problems(recipe.data.path, limit=recipe.data.size, config=recipe.data.config)
    assert [one.columns["reasoning_gym"]["config"] for one in problems[:2]] == [
        {"seed": 7},
        {"seed": 7, "max_value": 20},
    ]


def run_without(package: str, code: str) -> str:
    """What `code` prints where `package` is not installed."""
    hidden = (
        "import importlib.machinery as m\n"
        "find = m.PathFinder.find_spec\n"
        "def without(name, *a, **k):\n"
        f"    return None if name == {package!r} else find(name, *a, **k)\n"
        "m.PathFinder.find_spec = without\n"
    )
    script = f"{hidden}{code}"
    paths = [str(ROOT), str(ROOT / "data"), str(ROOT / "rewards")]
    start = f"import sys; sys.path[:0] = {paths!r}\n"
    done = subprocess.run(
        [sys.executable, "-c", start + script], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


SAYS = """
def says(do):
    try:
        print(do())
    except ValueError as error:
        print(error)
"""


@pytest.mark.slow
def test_without_a_compiler_all_but_the_one_task_that_wants_it() -> None:
    code = """
import sys
from grpo_data.sources import load_problems
from grpo_rewards.reasoning_gym import reasoning_gym
from grpo_rewards.verdict import Sample
one = load_problems("reasoning_gym:gcd", limit=1)[0]
sample = Sample(one.question, f"<answer>{one.answer}</answer>", one.columns)
says(lambda: reasoning_gym().judge(sample).value)
says(lambda: "pycosat" in sys.modules)
says(lambda: load_problems("reasoning_gym:zebra_puzzles", limit=1))
"""
    paid, is_faked, sentence = run_without("pycosat", SAYS + code).splitlines()
    assert (paid, is_faked) == ("1.0", "False")
    assert sentence == (
        "the task 'zebra_puzzles' needs pycosat, which wants a C compiler: pip install pycosat."
    )


@pytest.mark.slow
def test_without_reasoning_gym_there_is_one_sentence() -> None:
    code = """
from grpo_data.sources import load_problems
from grpo_rewards.reasoning_gym import reasoning_gym
says(lambda: load_problems("reasoning_gym:gcd", limit=1))
says(reasoning_gym().check)
says(reasoning_gym().prepare)
"""
    data, check, prepare = run_without("reasoning_gym", SAYS + code).splitlines()
    assert data == "reasoning_gym:gcd: not installed; pip install reasoning-gym==0.1.25."
    assert check == prepare == "reasoning_gym is not installed: pip install reasoning-gym==0.1.25"
