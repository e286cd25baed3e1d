"""Knobs: read off a reward's signature, checked before it runs, handed to it as keywords."""

import inspect
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from grpo_rewards import RewardError, Scorer, load_reward
from grpo_rewards.chosen import choose, weight_and_knobs
from grpo_rewards.knobs import BadKnob, Bound, check_names, checked, knobs_of
from grpo_rewards.rule import RuleReward
from grpo_rewards.table import TABLE, find, load


def factory(
    *,
    variant: Literal["r1", "think"] = "r1",
    window: int = 20,
    slope: float = 0.5,
    tags: tuple[str, ...] = (),
    path: str | None = None,
) -> RuleReward:
    raise AssertionError("a knob's check does not build the reward")


def needy(*, path: str) -> RuleReward:
    raise AssertionError("a knob's check does not build the reward")


def brevity(completions: list[str], *, target: int = 40, **columns: Any) -> list[float]:
    return [target / len(text) for text in completions]


async def later(completions: list[str], target: int = 40, **columns: Any) -> list[float]:
    return [float(target)] * len(completions)


def test_right_knobs_come_in_the_types_that_the_factory_asks_for() -> None:
    given = {"variant": "think", "window": 3, "slope": 1, "tags": ["a", "b"], "path": None}
    assert checked("r", factory, given) == {**given, "tags": ("a", "b")}
    assert checked("r", factory, {}) == {}


@pytest.mark.parametrize(
    ("knobs", "name", "sentence"),
    [
        ({"windw": 3}, "windw", "reward 'r': unknown knob 'windw': did you mean 'window'?"),
        ({"q": 3}, "q", "unknown knob 'q': it has variant, window, slope, tags, path"),
        ({"window": 3.5}, "window", "knob 'window': input should be a valid integer.*got 3.5"),
        ({"window": "3"}, "window", "knob 'window': input should be a valid integer, got '3'"),
        ({"window": True}, "window", "knob 'window': input should be a valid integer, got True"),
        ({"slope": "x"}, "slope", "knob 'slope': input should be a valid number, got 'x'"),
        ({"variant": "r2"}, "variant", "knob 'variant': input should be 'r1' or 'think', got 'r2'"),
        ({"tags": "ab"}, "tags", "knob 'tags': input should be a valid array, got 'ab'"),
        ({"path": Path("a")}, "path", "knob 'path': no plain value"),
    ],
)
def test_a_wrong_knob_is_told_in_a_sentence(
    knobs: dict[str, Any], name: str, sentence: str
) -> None:
    with pytest.raises(BadKnob, match=sentence) as caught:
        checked("r", factory, knobs)
    assert caught.value.knob == name


def test_a_knob_that_must_be_given_is_named() -> None:
    with pytest.raises(BadKnob, match="reward 'r': needs the knob 'path'"):
        checked("r", needy, {})


def test_a_user_s_knobs_are_the_keywords_it_names() -> None:
    assert knobs_of(brevity) == ["target"]
    check_names("b", brevity, {"target": 40})
    with pytest.raises(BadKnob, match="unknown knob 'taget': did you mean 'target'"):
        check_names("b", brevity, {"taget": 40})  # **columns would have swallowed it
    with pytest.raises(BadKnob, match="unknown knob 'completions'"):
        check_names("b", brevity, {"completions": []})


@pytest.mark.parametrize("function", [brevity, later])
def test_a_bound_function_is_still_that_function(function: Callable[..., Any]) -> None:
    bound = Bound(function, {"target": 4})
    assert bound.__name__ == function.__name__
    assert inspect.iscoroutinefunction(bound) == inspect.iscoroutinefunction(function)
    again = pickle.loads(pickle.dumps(bound))
    assert (again.func, again.keywords) == (function, {"target": 4})


def test_a_knob_wins_over_a_column_of_its_name() -> None:
    assert Bound(brevity, {"target": 4})(completions=["ab"], target=[9], answer=["7"]) == [2.0]


@pytest.mark.parametrize(
    ("setting", "apart"),
    [
        (0.5, (0.5, {})),
        (2, (2.0, {})),
        ({"weight": -1, "target": 4}, (-1.0, {"target": 4})),
        ({"target": 4}, (1.0, {"target": 4})),
    ],
)
def test_a_setting_is_a_weight_or_a_weight_and_knobs(setting: Any, apart: Any) -> None:
    assert weight_and_knobs("r", setting) == apart


@pytest.mark.parametrize("weight", ["high", None, True, float("nan"), float("inf"), [1]])
def test_a_weight_is_a_finite_number(weight: Any) -> None:
    with pytest.raises(RewardError, match="reward 'format': the weight must be a finite number"):
        choose({"format": {"weight": weight}})


@pytest.mark.parametrize("name", TABLE)
def test_every_reward_of_the_table_refuses_a_knob_it_does_not_have(name: str) -> None:
    with pytest.raises(BadKnob, match=f"reward {name!r}: unknown knob 'no_such_knob'"):
        load(find(name), {"no_such_knob": 1})
    with pytest.raises(BadKnob, match="unknown knob 'no_such_knob'"):
        load_reward(name, no_such_knob=1)


def test_what_a_factory_refuses_is_told_with_its_name() -> None:
    with pytest.raises(RewardError, match="reward 'repetition': n must lie in 1 to 100"):
        Scorer({"repetition": {"n": 0}})


@pytest.mark.slow
def test_knobs_reach_functions_and_rules_in_a_scorer(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "def brevity(completions, target, scale=1.0):\n"
        "    return [scale * target / len(text) for text in completions]\n"
    )
    mine = f"{tmp_path}/mine.py:brevity"
    rewards = {mine: {"weight": 0.5, "target": 4}, "repetition": {"n": 1, "max_penalty": 2.0}}
    with Scorer(rewards, workers=1) as scorer:
        (one,) = scorer.score(["q"], ["a a"], [{"target": "the column loses"}])
        # brevity 4/3 x 0.5; of two words one is a repeat: -2 x 1/2
        assert one.parts == {mine: pytest.approx(4 / 3), "repetition": -1.0}
        assert one.reward == pytest.approx(4 / 3 * 0.5 - 1.0)
    with pytest.raises(RewardError, match="unknown knob 'taget': did you mean 'target'"):
        Scorer({mine: {"taget": 4}}).start()
    assert load_reward(mine, target=6)(completions=["abc"]) == [2.0]
