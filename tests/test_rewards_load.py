"""`load_reward`: a built-in reward as TRL's trainer calls it, with what TRL hands it."""

import pickle
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from grpo_rewards import load_reward

GOOD = "<think>3 + 4 = 7</think><answer>7</answer>"
BAD = "<think>3 + 4 = 7</think><answer>8</answer>"


def test_outcomes_go_to_trl_s_table_and_metrics() -> None:
    columns: dict[str, list[Any]] = {}
    metrics: dict[str, list[float]] = defaultdict(list)
    values = load_reward("accuracy")(
        prompts=["q"] * 4,
        completions=[GOOD, BAD, "7", GOOD],
        answer=["7", "7", "7", None],
        log_extra=columns.__setitem__,
        log_metric=lambda name, value: metrics[name].append(value),
    )
    assert values == [1.0, 0.0, 0.0, None]
    assert columns == {"accuracy/outcome": ["correct", "wrong", "unparseable", "skipped"]}
    assert metrics == {
        "accuracy/unparseable": [0.25],
        "accuracy/timeout": [0.0],
        "accuracy/error": [0.0],
        "accuracy/skipped": [0.25],
    }


def test_token_ids_and_knobs_reach_the_rule() -> None:
    overlong = load_reward("soft_overlong", max_tokens=10, buffer=4)
    ids = [[1] * 6, [1] * 8, [1] * 11]
    # up to 10 - 4 nothing; then (6 - 8) / 4; above 10 all of it
    assert overlong(["q"] * 3, ["a"] * 3, completion_ids=ids) == [0.0, -0.5, -1.0]
    again = pickle.loads(pickle.dumps(overlong))
    assert again(["q"] * 3, ["a"] * 3, completion_ids=ids) == [0.0, -0.5, -1.0]


def test_what_is_no_column_is_passed_over() -> None:
    accuracy = load_reward("accuracy")
    trainer = {"trainer_state": object(), "environments": [object()], "note": "one text for all"}
    assert accuracy(["q"], [GOOD], answer=["7"], **trainer) == [1.0]


def test_a_column_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="column 'answer' has 1 values for 2 completions"):
        load_reward("accuracy")(["q"] * 2, [GOOD] * 2, answer=["7"])


def test_an_empty_batch_is_an_empty_list() -> None:
    assert load_reward("accuracy")([], [], answer=[], log_metric=print) == []


@pytest.mark.parametrize(
    ("completion", "value"),
    [
        ([{"role": "assistant", "content": GOOD}], 1.0),
        ([{"content": GOOD}], 1.0),
        ([{"role": "assistant", "content": [{"type": "text", "text": GOOD}]}], 1.0),
        ([{"role": "assistant", "content": [GOOD]}], 1.0),
        ([{"role": "tool", "content": GOOD}, {"role": "assistant", "content": BAD}], 0.0),
        ([{"role": "assistant", "content": None, "tool_calls": []}], 0.0),
        ([{"role": "assistant", "content": [{"type": "image"}, {"text": None}, 7]}], 0.0),
        ([], 0.0),
    ],
)
def test_every_shape_of_message_is_read(completion: Any, value: float) -> None:
    prompt = [{"role": "user", "content": "3 + 4?"}]
    assert load_reward("accuracy")([prompt], [completion], answer=["7"]) == [value]


@pytest.mark.parametrize(
    ("prompt", "value"),
    [
        ("三加四？<think>", 1.0),
        (
            [{"role": "user", "content": "三加四？"}, {"role": "assistant", "content": "<think>"}],
            1.0,
        ),
        (
            [{"role": "user", "content": "三加四？"}],
            0.0,
        ),  # then the tag is the completion's to write
        ([], 0.0),
    ],
)
def test_a_thought_that_the_prompt_opened_is_the_completion_s(prompt: Any, value: float) -> None:
    assert load_reward("format")([prompt], [GOOD.removeprefix("<think>")]) == [value]


@pytest.mark.slow
def test_threads_may_call_at_once() -> None:
    def judged(n: int) -> list[float]:
        texts = [f"\\boxed{{x^2+{2 * n}x+{n * n}}}", f"\\boxed{{x^2+{2 * n}x+{n * n + 1}}}"]
        values: list[float] = load_reward("accuracy")(["q"] * 2, texts, answer=[f"(x+{n})^2"] * 2)
        return values

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(judged, range(1, 13))) == [[1.0, 0.0]] * 12
