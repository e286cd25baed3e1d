"""An rl stage's domains in the recipe: what is wrong with the table, and what is looked up."""

import json
from pathlib import Path
from typing import Any

import pytest
from domain_tables import PAID, REWARDS, TABLE

from grpo.errors import UserError
from grpo.inputs import input_faults
from grpo.recipe.lint import lint
from grpo.recipe.load import dump_recipe, parse_recipe
from grpo.recipe.stages import Rl


def written(domains: Any, **stage: Any) -> str:
    """A recipe's text, its table from line 8 on, a line a domain."""
    head = ["name: r", "model: {path: m}", 'data: {path: "tiny:all"}', "rewards: {repetition: 1.0}"]
    knobs = [f"    {key}: {json.dumps(value)}" for key, value in stage.items()]
    lines = [f"      {name}: {json.dumps(line)}" for name, line in domains.items()]
    table = ["    domains:", *lines] if lines else ["    domains: {}"]
    stages = ["stages:", "  - name: all", *table, "    kind: rl", "    steps: 6"]
    return "\n".join([*head, *stages, *knobs, ""])


def refusal(domains: Any, **stage: Any) -> str:
    with pytest.raises(UserError) as caught:
        parse_recipe(written(domains, **stage), "r.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("table", "line", "key", "sentence"),
    [
        ({"a": PAID, "b": {}}, 9, "domains.b", "needs at least one reward"),
        ({"a": PAID, "b": {"rewards": {}}}, 9, "domains.b", "needs at least one reward"),
        (
            {"a": {**PAID, "share": 0.7}, "b": {**PAID, "share": 0.4}},
            7,
            "domains",
            "the shares are 1.1 in sum, and a step has 1 to give",
        ),
        (
            {"a": {**PAID, "after": 0.2}, "b": {**PAID, "after": 0.1}},
            7,
            "domains",
            "nothing comes at step 0; give one domain `after: 0`",
        ),
        (
            {"a": {**PAID, "share": 1.0}, "b": {**PAID, "after": 0.5}},
            9,
            "domains.b",
            "the others' shares leave nothing for it",
        ),
        (
            {"a": {"rewards": {"format": 1}}, "b": {"rewards": {"format": {"variant": "think"}}}},
            9,
            "domains.b.rewards",
            "'format' has other knobs in domain 'a'; tell the two apart by what follows an @, as "
            "format@b",
        ),
        ({"a": {**PAID, "share": 0}}, 8, "domains.a.share", "must be above 0, got 0"),
        ({"a": {**PAID, "after": 1}}, 8, "domains.a.after", "must be below 1, got 1"),
        ({"a": {**PAID, "shar": 0.5}}, 8, "domains.a.shar", "unknown, did you mean 'share'?"),
    ],
)
def test_a_table_that_cannot_be_is_one_sentence_with_its_line(
    table: Any, line: int, key: str, sentence: str
) -> None:
    said = refusal(table)
    assert said.startswith(f"r.yaml:{line}: key 'stages.all.{key}': ") and sentence in said
    assert "\n" not in said


def test_a_table_without_lines_and_one_beside_rewards_are_refused() -> None:
    empty = "r.yaml:7: key 'stages.all.domains': names no domain; give each a line, or leave it out"
    assert refusal({}) == empty
    assert refusal(TABLE, rewards={"accuracy": 1}).startswith(
        "r.yaml:12: key 'stages.all.rewards': `domains` stands beside it and says what pays"
    )


def test_sound_tables_pass_and_say_the_same_when_dumped() -> None:
    full = {"a": {**PAID, "share": 0.7}, "b": {**PAID, "share": 0.2}, "c": {**PAID, "share": 0.1}}
    later = {"a": PAID, "b": {**PAID, "share": 1.0, "after": 0.5}}  # a has its time before
    for table in (TABLE, full, later):
        recipe = parse_recipe(written(table))
        assert parse_recipe(dump_recipe(recipe)) == recipe
        assert not any("domains" in warning.key for warning in lint(recipe))


def test_a_domain_whose_weights_are_all_0_is_warned_of() -> None:
    recipe = parse_recipe(written({"a": PAID, "b": {"rewards": {"format": 0}}}))
    (warning,) = (warning for warning in lint(recipe) if "domains" in warning.key)
    assert str(warning).startswith("key 'stages.all.domains.b': every weight is 0")


def test_overrides_reach_into_a_domain() -> None:
    table = {**TABLE, "own": {"rewards": {"my.py:letters": {"times": 2}}}}
    words = [
        "stages.all.domains.general.share=0.25",
        "stages.all.domains.general.rewards.format.variant=think",
        "stages.all.domains.own.rewards.my.py:letters.times=3",
        "stages.all.domains.own.rewards.your.py:words=0.5",
        "stages.all.domains.reasoning.rewards={accuracy: 1.0}",
    ]
    stage = parse_recipe(written(table), "r.yaml", words).stages[0]
    assert isinstance(stage, Rl) and stage.domains is not None
    assert stage.domains["general"].share == 0.25
    assert stage.domains["general"].rewards["format"].model_dump() == {
        "weight": 2.0,
        "variant": "think",
    }
    own = stage.domains["own"].rewards
    assert own["my.py:letters"].knobs == {"times": 3} and own["your.py:words"].weight == 0.5


def test_the_rewards_of_a_domain_are_looked_up_as_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text("{}")
    (tmp_path / "my.py").write_text(REWARDS)
    wrong = {
        "acuracy": 1.0,
        "my.py:letters": {"tims": 2},
        "my.py:none": 1.0,
        "none.py:f": 1.0,
        "repetition": {"n": "two"},
    }
    table = {"a": {"rewards": {"my.py:letters@a": {"times": 2}}}, "b": {"rewards": wrong}}
    with pytest.raises(UserError) as caught:
        parse_recipe(written(table), "r.yaml", look_up=input_faults)
    said = [
        line.removeprefix("r.yaml:9: key 'stages.all.domains.b.rewards.")
        for line in str(caught.value).splitlines()
    ]
    for line, beginning in zip(
        said,
        (
            "acuracy': unknown reward 'acuracy': did you mean 'accuracy'?",
            "my.py:letters.tims': reward 'my.py:letters': unknown knob 'tims': did you mean",
            "my.py:none': reward 'my.py:none': no 'none' in ",
            "none.py:f': reward 'none.py:f': there is no file ",
            "repetition.n': reward 'repetition'",
        ),
        strict=True,
    ):
        assert line.startswith(beginning)
