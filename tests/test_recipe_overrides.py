"""Overrides on the command line: what they set, and how a bad one is named."""

import pytest

from grpo.errors import UserError
from grpo.recipe.load import parse_recipe
from grpo.recipe.schema import Recipe
from grpo.recipe.stages import Rl

GOOD = """\
name: small
model: {path: tiny-base}
data: {path: tiny:all}
rewards: {accuracy: 1.0, format: 0.5}
stages:
  - kind: rl
    name: zero
    steps: 20
    sampling: {max_tokens: 200}
  - kind: evaluate
    name: after
    parent: zero
"""


def refusal(override: str) -> str:
    with pytest.raises(UserError) as caught:
        parse_recipe(GOOD, "r.yaml", [override])
    return str(caught.value)


def rl(recipe: Recipe) -> Rl:
    stage = recipe.stages[0]
    assert isinstance(stage, Rl)
    return stage


def test_overrides_set_knobs_and_the_last_one_wins() -> None:
    overrides = [
        "seed=7",
        "stages.zero.steps=10",
        "stages.zero.optimizer.lr=1e-4",
        "stages.zero.steps=11",
        "stages.after.sampling={max_tokens: 5}",
        "track.to=[]",
        "rewards.mine/my_rewards.py:brevity=0.2",
        "stages.zero.rewards.accuracy=2",
    ]
    recipe = parse_recipe(GOOD, "r.yaml", overrides)
    assert recipe.seed == 7
    assert rl(recipe).steps == 11
    assert rl(recipe).optimizer.lr == 1e-4
    assert rl(recipe).sampling.max_tokens == 200
    assert rl(recipe).model_dump()["rewards"] == {"accuracy": 2.0}
    assert recipe.track.to == ()
    assert recipe.rewards["mine/my_rewards.py:brevity"].weight == 0.2


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("prompt.user={question}", "{question}"),
        ("prompt.user=Solve: {question} # now", "Solve: {question} # now"),
        ("prompt.user='a: b'", "a: b"),
        ("prompt.user=123", "123"),
        ("prompt.prefill=", ""),
        ("prompt.system=null", None),
        ("model.revision=1234567", "1234567"),
        ("data.answer_after=####", "####"),
        ("data.path=a=b.jsonl", "a=b.jsonl"),
    ],
)
def test_a_text_knob_takes_the_override_as_it_is(override: str, value: str | None) -> None:
    section, _, knob = override.partition("=")[0].partition(".")
    recipe = parse_recipe(GOOD, "r.yaml", [override])
    assert getattr(getattr(recipe, section), knob) == value


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("stages.zero.stepz=10", "key 'stages.zero.stepz': unknown, did you mean 'steps'?"),
        ("stages.zero.steps=0", "key 'stages.zero.steps': must be at least 1, got 0"),
        ("stages.zer.steps=1", "no stage is called 'zer', did you mean 'zero'?"),
        ("stages.0.steps=1", "no stage is called '0'; valid: zero, after"),
        ("objectve.beta=1", "key 'objectve': unknown"),
        (
            "stages.zero.objective.bta=1",
            "key 'stages.zero.objective.bta': unknown, did you mean 'beta'?",
        ),
        ("sampler.engin=plain", "key 'sampler.engin': unknown, did you mean 'engine'?"),
        ("name.first=1", "'name' holds a value, not keys"),
        ("stages.zero=1", "name a key inside 'stages.zero'"),
        ("seed", "write it as key=value"),
        ("=3", "write it as key=value"),
        ("seed=[1", "not valid YAML"),
        ("stages=3", "key 'stages': must be a list, got 3"),
        (
            "stages.after.parent=nobody",
            "key 'stages.after.parent': no earlier stage is called 'nobody'",
        ),
    ],
)
def test_a_bad_override_is_named_as_it_was_typed(override: str, sentence: str) -> None:
    assert refusal(override).startswith(f"override {override!r}: {sentence}")


def test_an_override_takes_the_blame_off_the_file() -> None:
    bad = GOOD.replace("steps: 20", "steps: 0")
    assert rl(parse_recipe(bad, "r.yaml", ["stages.zero.steps=3"])).steps == 3


def test_a_reward_s_knobs_are_overridden_one_by_one() -> None:
    overrides = [
        "rewards.format.variant=think",
        "rewards.a/b.py:brief=0.2",
        "rewards.a/b.py:brief.target=40",
        "rewards.a/b.py:brief.weight=0.3",
        "stages.zero.rewards={a.b.c: {x: 1}}",
        "stages.zero.rewards.a.b.c.x=2",
    ]
    recipe = parse_recipe(GOOD, "r.yaml", overrides)
    assert recipe.model_dump()["rewards"] == {
        "accuracy": 1.0,
        "format": {"weight": 0.5, "variant": "think"},
        "a/b.py:brief": {"weight": 0.3, "target": 40},
    }
    assert rl(recipe).model_dump()["rewards"] == {"a.b.c": {"weight": 1.0, "x": 2}}


@pytest.mark.parametrize("value", ["high", "{weight: high}", "{weight: [1]}", "null", "[1]"])
def test_a_weight_that_is_no_number_is_named(value: str) -> None:
    with pytest.raises(UserError, match=r"^override .*: key 'rewards.format.*': must be a number"):
        parse_recipe(GOOD, "r.yaml", [f"rewards.format={value}"])
