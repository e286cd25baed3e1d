"""The resolved recipe: complete, explained, and equal to itself when it is read back."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from grpo.recipe.base import Section
from grpo.recipe.dump import dump_recipe
from grpo.recipe.load import parse_recipe
from grpo.recipe.schema import Recipe

STAGES: list[dict[str, Any]] = [
    {"kind": "pretrain", "name": "p", "documents": 9, "steps": 9},
    {"kind": "rl", "name": "zero", "parent": "p", "steps": 3, "rewards": {"a.py:b, c": 1e-7}},
    {"kind": "evaluate", "name": "after", "parent": "zero", "data": {"path": "x.jsonl"}},
]


def recipe(**sections: Any) -> Recipe:
    given = {"name": "r", "data": {"path": "tiny:all"}, "rewards": {"format": 1}, **sections}
    return Recipe.model_validate({"stages": STAGES, **given})


def test_a_dumped_recipe_reads_back_equal() -> None:
    whole = recipe(model={"path": "tiny-base"}, rewards={"accuracy": 1, "my_rewards.py:f": 0.2})
    assert parse_recipe(dump_recipe(whole)) == whole


def test_rewards_with_knobs_read_back_equal_and_short_ones_stay_short() -> None:
    knobs = {"weight": 0.5, "words": ["a: b", "no"], "target": 40, "deep": {"x": 1e-7}, "on": None}
    whole = recipe(
        model={"path": "tiny-base"}, rewards={"accuracy": 1, "f.py:g": knobs, "h.py:i": {"j": 1}}
    )
    dumped = dump_recipe(whole)
    assert parse_recipe(dumped) == whole
    assert "rewards: {accuracy: 1.0, 'f.py:g': {weight: 0.5, words: ['a: b', 'no']" in dumped
    assert whole.rewards["f.py:g"].knobs == {k: v for k, v in knobs.items() if k != "weight"}
    assert whole.rewards["h.py:i"].weight == 1.0
    assert recipe(rewards={"h.py:i": {"j": 2}}) != recipe(rewards={"h.py:i": {"j": 1}})


def test_a_reader_of_yaml_1_1_sees_the_same_values() -> None:
    whole = recipe(prompt={"user": "12:30", "prefill": "on"})
    assert yaml.safe_load(dump_recipe(whole)) == whole.model_dump(mode="json")


AWKWARD = ["", "no", "1e-5", "null", "a: b", "# no comment", "'\"", "{x}", "tab\t", "- a", "思考"]
AWKWARD_LINES = [
    "two\nlines",
    "\nx\n\n",
    " \n ",
    "end \n",
    "a\x85b",
    "a\n\u2029b",
    "🙂\n- a\n",
    "...",
]


@pytest.mark.parametrize("text", AWKWARD + AWKWARD_LINES)
def test_awkward_texts_survive(text: str) -> None:
    whole = recipe(prompt={"system": text, "user": text}, rewards={text: 1})
    assert parse_recipe(dump_recipe(whole)) == whole


@settings(max_examples=30, derandomize=True, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])), st.floats(1e-12, 1e12))
def test_any_text_and_any_number_survive(text: str, number: float) -> None:
    stop = {"kind": "rl", "name": "z", "steps": 1, "sampling": {"max_tokens": 9, "stop": [text]}}
    whole = recipe(
        model={"path": text}, prompt={"system": text}, rewards={text: number}, stages=[stop]
    )
    assert parse_recipe(dump_recipe(whole)) == whole


def test_every_knob_stands_there_with_its_meaning() -> None:
    whole = recipe()
    lines = dump_recipe(whole).splitlines()
    for section in (whole, whole.sampler, whole.stages[1]):
        for meaning in meanings(section):
            assert any(line.endswith(meaning) for line in lines)


def meanings(section: Section) -> list[str]:
    fields = type(section).model_fields.values()
    return [f"# {field.description}" for field in fields if field.description]
