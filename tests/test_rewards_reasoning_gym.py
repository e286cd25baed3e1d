"""reasoning-gym's tasks scored by their own scorers: gold paid and nonsense not."""

import json
from decimal import Decimal
from pathlib import Path

import any_text
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grpo_data.problem import Problem
from grpo_data.sources import load_problems
from grpo_rewards import RewardError, Scorer, load_reward
from grpo_rewards.reasoning_gym import MAX_CHARS, reasoning_gym
from grpo_rewards.verdict import Judged, Sample

library = pytest.importorskip("reasoning_gym", reason="reasoning-gym is not installed")

TASKS = [
    "ab", "acre", "aiw", "arc_1d", "base_conversion", "basic_arithmetic", "binary_alternation",
    "binary_matrix", "bitwise_arithmetic", "calendar_arithmetic", "chain_sum", "circuit_logic",
    "coin_flip", "complex_arithmetic", "count_bits", "cryptarithm", "decimal_arithmetic", "dice",
    "family_relationships", "fraction_simplification", "gcd", "knights_knaves", "lcm",
    "leg_counting", "maze", "mini_sudoku", "n_queens", "number_sequence", "number_sorting",
    "palindrome_generation", "polynomial_multiplication", "prime_factorization", "products",
    "rearc", "rotate_matrix", "shortest_path", "simple_equations", "spell_backward",
    "spiral_matrix", "string_insertion", "syllogism", "time_intervals", "tower_of_hanoi",
]  # fmt: skip
MANY_ANSWERS = {
    "graph_color": "possible_answer",
    "propositional_logic": "example_answer",
    "rubiks_cube": "example_correct_answer",
}
"""Tasks whose rows hold no answer, and where their metadata has one of the right ones."""
UNSOLVED = {"boxnet", "rush_hour"}

NONSENSE = ["zzz", "0", "True", "None", "[]", "{}", "I do not know", "()", "\u0661", "1/0", "-"]


def problem(task: str, **config: object) -> Problem:
    return load_problems(f"reasoning_gym:{task}", limit=1, config={"seed": 11, **config})[0]


def judged(of: Problem, answer: str, partial: bool = True) -> Judged:
    """With partial credit, so that every mark below 1 is seen."""
    text = f"<think>so</think><answer>{answer}</answer>"
    return reasoning_gym(partial=partial).judge(Sample(of.question, text, of.columns))


def check(task: str) -> None:
    one = problem(task)
    right = Judged(1.0, "correct")
    assert judged(one, one.answer) == judged(one, one.answer, partial=False) == right
    for answer in NONSENSE:
        nothing = judged(one, answer)
        if answer != one.answer:
            assert nothing.value is not None and 0.0 <= nothing.value < 1.0, (answer, nothing)
            assert nothing.outcome in ("wrong", "unparseable")
            assert judged(one, answer, partial=False).value == 0.0


@pytest.mark.parametrize("task", TASKS)
def test_gold_is_paid_and_nonsense_is_not(task: str) -> None:
    check(task)


@pytest.mark.full
@pytest.mark.parametrize("task", sorted(set(library.factory.DATASETS) - {"composite"}))
def test_gold_is_paid_and_nonsense_is_not_in_every_task(task: str) -> None:
    if task not in UNSOLVED | set(MANY_ANSWERS):
        check(task)


@pytest.mark.parametrize("task", MANY_ANSWERS)
def test_a_task_of_many_right_answers_pays_one_of_them(task: str) -> None:
    one = problem(task)
    right = one.columns["reasoning_gym"]["metadata"][MANY_ANSWERS[task]]
    right = right if isinstance(right, str) else json.dumps(right)
    assert one.answer == ""
    assert judged(one, right) == Judged(1.0, "correct")
    assert judged(one, "zzz").value in (0.0, 0.01, 0.05)
    assert judged(one, "zzz", partial=False).value == 0.0


def test_the_settings_of_the_row_reach_the_scorer() -> None:
    rough = problem("decimal_arithmetic", min_num_decimal_places=2, max_num_decimal_places=2)
    near = str(Decimal(rough.answer) + Decimal("0.009"))
    assert judged(rough, near).value == 1.0  # within a unit of the last of two places
    fine = dict(rough.columns["reasoning_gym"], config={"seed": 11, "max_num_decimal_places": 3})
    assert judged(Problem("", "", "", "", {"reasoning_gym": fine}), near).value == 0.0


def test_partial_credit_is_the_task_s_and_only_for_the_asking() -> None:
    one = problem("chain_sum")
    assert judged(one, f"x{one.answer}") == Judged(len(one.answer) / (len(one.answer) + 1), "wrong")
    sample = Sample(one.question, f"<answer>x{one.answer}</answer>", one.columns)
    assert reasoning_gym().judge(sample) == Judged(0.0, "wrong")


GOLD = "<think>so</think><answer>{}</answer>"


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        (GOLD, "correct"),
        ("<think>so</think>\\boxed{{{}}}", "correct"),
        ("<think>so</think><answer>\\boxed{{{}}}</answer>", "correct"),
        ("{}", "unparseable"),
        ("<think>{}</think>", "unparseable"),
        ("<think>so</think><answer>{}</answer><answer>{}</answer>", "unparseable"),
        ("<think>so</think><answer></answer>", "unparseable"),
        ("", "unparseable"),
        (" \u200b", "unparseable"),
        ("<think>so</think><answer>0 {}</answer>", "wrong"),
        ("<think>so</think><answer>{} or 0</answer>", "wrong"),
        ("<think>so</think><Answer>{}</Answer>", "unparseable"),
    ],
)
def test_the_answer_is_where_accuracy_looks_for_it(text: str, outcome: str) -> None:
    one = problem("gcd")
    sample = Sample(
        one.question,
        text.replace("{}", one.answer).replace("{{", "{").replace("}}", "}"),
        one.columns,
    )
    assert reasoning_gym().judge(sample).outcome == outcome


def test_an_endless_answer_is_not_shown_to_the_scorer() -> None:
    one = problem("chain_sum")
    assert judged(one, "1" * MAX_CHARS).outcome == "wrong"
    assert judged(one, "1" * (MAX_CHARS + 1)).outcome == "unparseable"


@pytest.mark.parametrize("columns", [{}, {"answer": "7"}])
def test_a_row_without_the_column_is_one_sentence(columns: dict[str, str]) -> None:
    with pytest.raises(RewardError, match="needs the column 'reasoning_gym', but the row has"):
        reasoning_gym().judge(Sample("", "<answer>7</answer>", columns))


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"task": "gcd"}, "needs .'answer', 'config', 'metadata', 'task'. in its column"),
        (["gcd"], "in its column"),
        ({"task": "gdc", "config": {}, "answer": "1", "metadata": {}}, "has no task 'gdc'"),
    ],
)
def test_a_row_of_another_shape_is_one_sentence(row: object, sentence: str) -> None:
    with pytest.raises(RewardError, match=sentence):
        judged(Problem("", "", "", "", {"reasoning_gym": row}), "7")


def test_an_empty_row_is_skipped_and_json_is_read() -> None:
    one = problem("gcd")
    empty = Problem("", "", "", "", {"reasoning_gym": None})
    text = Problem("", "", "", "", {"reasoning_gym": json.dumps(one.columns["reasoning_gym"])})
    assert judged(empty, "7") == Judged(None, "skipped")
    assert judged(text, one.answer) == Judged(1.0, "correct")


@any_text.quickly
@given(text=any_text.any_text, task=st.sampled_from(["gcd", "n_queens", "countdown", "maze"]))
def test_any_text_has_a_score(text: str, task: str) -> None:
    row = CACHED.setdefault(task, problem(task))
    one = judged(row, text)
    assert one.value is not None and 0.0 <= one.value <= 1.0
    assert one.outcome in ("correct", "wrong", "unparseable")


CACHED: dict[str, Problem] = {}


@pytest.mark.slow
def test_in_workers_beside_hostile_answers(tmp_path: Path) -> None:
    rows = [problem(task) for task in ("chain_sum", "spiral_matrix", "countdown", "arc_agi")]
    hostile = ["9**9**9**9", "((" * 9000, f"open({str(tmp_path / 'victim')!r}, 'w')"]
    told = [(row, GOLD.format(answer)) for row in rows for answer in (row.answer, *hostile)]
    with Scorer({"reasoning_gym": 1.0}, workers=1) as scorer:
        verdicts = scorer.score(
            [row.question for row, _ in told],
            [text for _, text in told],
            [row.columns for row, _ in told],
        )
    assert [one.reward for one in verdicts] == [1.0, 0.0, 0.0, 0.0] * 4
    assert not (tmp_path / "victim").exists()
    rewards = load_reward("reasoning_gym", partial=True)(
        prompts=["q"], completions=[GOLD.format(rows[0].answer)],
        reasoning_gym=[rows[0].columns["reasoning_gym"]],
    )  # fmt: skip
    assert rewards == [1.0]
