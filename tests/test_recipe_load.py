"""Loading a recipe: every mistake gets one sentence with its place, its key and its cure."""

import re
from pathlib import Path
from typing import Any

import pytest

from grpo.errors import UserError
from grpo.recipe.load import load_recipe, parse_recipe
from grpo.recipe.sections import Model
from grpo.recipe.stages import Evaluate, Pretrain, Rl

GOOD = """\
# What it makes.
name: small
model: {path: tiny-base}
data:
  path: tiny:all
rewards:
  accuracy: 1.0
  format: 0.5
stages:
  - kind: rl
    name: zero
    steps: 20
    sampling:
      max_tokens: 200
    objective:
      beta: 1e-3
  - kind: evaluate
    name: after
    parent: zero
    sampling: {max_tokens: 100}
"""


def refusal(text: str) -> str:
    with pytest.raises(UserError) as caught:
        parse_recipe(text, "r.yaml")
    return str(caught.value)


def edited(old: str, new: str) -> str:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


def rl(recipe: Any) -> Rl:
    stage = recipe.stages[0]
    assert isinstance(stage, Rl)
    return stage


def test_a_good_recipe_loads_with_its_numbers() -> None:
    recipe = parse_recipe(GOOD)
    assert recipe.name == "small"
    assert recipe.model_dump()["rewards"] == {"accuracy": 1.0, "format": 0.5}
    assert rl(recipe).objective.beta == 0.001
    assert rl(recipe).sampling.max_tokens == 200


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "what"),
    [
        ("name: small", "name: small\nsedd: 1", 3, "sedd", "unknown, did you mean 'seed'?"),
        (
            "  path: tiny:all",
            "  pathh: x\n  path: y",
            5,
            "data.pathh",
            "unknown, did you mean 'path'?",
        ),
        ("steps: 20", "stepz: 20", 12, "stages.zero.stepz", "unknown, did you mean 'steps'?"),
        (
            "max_tokens: 200",
            "max_token: 200",
            14,
            "stages.zero.sampling.max_token",
            "unknown, did you mean 'max_tokens'?",
        ),
        (
            "      beta: 1e-3",
            "      betta: 1e-3",
            16,
            "stages.zero.objective.betta",
            "unknown, did you mean 'beta'?",
        ),
        (
            "steps: 20",
            "steps: 20\n    temperature: 1",
            13,
            "stages.zero.temperature",
            "unknown, did you mean 'sampling.temperature'?",
        ),
        (
            "{path: tiny-base}",
            "{path: x, zzz: 1}",
            3,
            "model.zzz",
            f"unknown; valid: {', '.join(Model.model_fields)}",
        ),
    ],
)
def test_a_misspelt_key_is_named_with_its_line_and_the_nearest(
    old: str, new: str, line: int, key: str, what: str
) -> None:
    assert refusal(edited(old, new)) == f"r.yaml:{line}: key {key!r}: {what}"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "steps: 20",
            "steps: many",
            "r.yaml:12: key 'stages.zero.steps': must be a whole number, got 'many'",
        ),
        ("steps: 20", "steps: '20'", "must be a whole number, got '20'"),
        ("steps: 20", "steps: 20.0", "must be a whole number, got 20.0"),
        ("steps: 20", "steps: true", "must be a whole number, got true"),
        ("steps: 20", "steps:", "must be a whole number, got nothing"),
        ("steps: 20", "steps: 0", "must be at least 1, got 0"),
        ("1e-3", "yes", "key 'stages.zero.objective.beta': must be a number, got 'yes'"),
        ("1e-3", ".nan", "must be a number, got '.nan'"),
        (
            "accuracy: 1.0",
            "accuracy: high",
            "r.yaml:7: key 'rewards.accuracy': must be a number, got 'high'",
        ),
        (
            "{path: tiny-base}",
            "tiny-base",
            "r.yaml:3: key 'model': must be a section, keys with values below it, got 'tiny-base'",
        ),
        (
            "{path: tiny-base}",
            "{path: x, dtype: float33}",
            "must be 'float32', 'bfloat16' or 'float16', got 'float33', did you mean 'float32'?",
        ),
        (
            "{path: tiny-base}",
            "{path: x, gradient_checkpointing: no}",
            "must be true or false, got 'no'",
        ),
        ("{path: tiny-base}", "{path: 3}", "key 'model.path': must be text, got 3"),
        (
            "{max_tokens: 100}",
            "{max_tokens: 100, stop: x}",
            "key 'stages.after.sampling.stop': must be a list, got 'x'",
        ),
        (
            "{max_tokens: 100}",
            "{max_tokens: 100, stop: [x, 3]}",
            "key 'stages.after.sampling.stop[1]': must be text, got 3",
        ),
        (
            "{max_tokens: 100}",
            "{max_tokens: 100, top_p: 1.5}",
            "key 'stages.after.sampling.top_p': must be at most 1, got 1.5",
        ),
        (
            "steps: 20",
            "steps: 20\n    optimizer: {betas: [0.9]}",
            "key 'stages.zero.optimizer.betas[1]': missing",
        ),
        (
            "steps: 20",
            "steps: 20\n    optimizer: {betas: [0.9, 0.9, 0.9]}",
            "key 'stages.zero.optimizer.betas': must have at most 2 items, got [0.9, 0.9, 0.9]",
        ),
        ("name: small", "name: ../up", "r.yaml:2: key 'name': must match"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_got(old: str, new: str, sentence: str) -> None:
    got = refusal(edited(old, new))
    assert sentence in got
    assert "\n" not in got


def test_a_limit_comes_with_what_the_knob_means() -> None:
    # G = 1: a group of one has no baseline
    assert refusal(edited("steps: 20", "steps: 20\n    group_size: 1")) == (
        "r.yaml:13: key 'stages.zero.group_size': must be at least 2, got 1 "
        "(G, completions a problem (R1-Zero: 16))"
    )


@pytest.mark.parametrize(
    ("old", "new", "place", "key", "what"),
    [
        ("    steps: 20\n", "", ":10", "stages.zero.steps", "missing"),
        ("name: small\n", "", "", "name", "missing"),
        ("  path: tiny:all", "  size: 3", ":4", "data.path", "missing"),
        ("kind: rl\n    name: zero", "name: zero", ":10", "stages.zero.kind", "missing; valid: "),
        ("kind: rl", "kind: rll", ":10", "stages.zero.kind", "unknown stage kind 'rll', did you"),
        ("model: {path: tiny-base}", "model:", ":3", "model", "model.path is missing: only a"),
        ("parent: zero", "parent: zo", ":19", "stages.after.parent", "no earlier stage is called"),
        ("name: after", "name: zero", ":18", "stages.zero.name", "'zero' is another stage"),
        ("name: zero", "name: base", ":11", "stages.base.name", "'base' is what the recipe"),
    ],
)
def test_what_is_missing_or_does_not_fit_is_named(
    old: str, new: str, place: str, key: str, what: str
) -> None:
    assert refusal(edited(old, new)).startswith(f"r.yaml{place}: key {key!r}: {what}")


def test_an_unknown_parent_comes_with_the_stages_there_are() -> None:
    assert refusal(edited("parent: zero", "parent: zeroo")).endswith(
        "no earlier stage is called 'zeroo'; known here: base, zero"
    )


def test_several_mistakes_are_said_at_once_in_the_order_of_the_schema() -> None:
    text = edited("steps: 20", "stepz: 20\n    group_size: 1").replace("beta:", "beeta:")
    assert re.findall(r"key '([\w.]+)'", refusal(text)) == [
        "stages.zero.group_size",
        "stages.zero.objective.beeta",
        "stages.zero.stepz",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (GOOD + "name: again\n", "r.yaml:21: key 'name' is written twice, first on line 2"),
        ("", "r.yaml:1: a recipe is a mapping of keys to values, got nothing"),
        ("- a\n", "r.yaml:1: a recipe is a mapping of keys to values, got list"),
        ("name: [\n", "r.yaml:2: not valid YAML"),
        (
            "name: x\ndata: {path: p}\nstages: []\n",
            "r.yaml:3: key 'stages': must have at least 1 item, got []",
        ),
        ("name: x\ndata: {path: p}\nstages: {a: 1}\n", "r.yaml:3: key 'stages': must be a list"),
        (
            "name: x\ndata: {path: p}\nstages: [3]\n",
            "r.yaml:3: key 'stages[0]': must be a mapping of keys to values, got 3",
        ),
    ],
)
def test_a_text_that_is_no_recipe_is_refused(text: str, sentence: str) -> None:
    assert refusal(text).startswith(sentence)


def test_a_partly_written_section_keeps_the_rest_of_its_stage_defaults() -> None:
    text = GOOD + "  - {kind: pretrain, name: p, documents: 9, steps: 9, optimizer: {lr: 1e-4}}\n"
    recipe = parse_recipe(text)
    after, pretrain = recipe.stages[1], recipe.stages[2]
    assert isinstance(after, Evaluate) and isinstance(pretrain, Pretrain)
    # an evaluate stage samples at 0.6 and 0.95, whatever length it is given
    assert (after.sampling.temperature, after.sampling.top_p) == (0.6, 0.95)
    assert after.sampling.max_tokens == 100
    assert (pretrain.optimizer.schedule, pretrain.optimizer.lr) == ("cosine", 1e-4)


def test_a_file_is_loaded_by_path_with_windows_line_ends_and_a_byte_order_mark(
    tmp_path: Path,
) -> None:
    file = tmp_path / "r.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load_recipe(file) == parse_recipe(GOOD)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_bytes(b"name: \xff\xfe")
    with pytest.raises(UserError, match=r"r\.yaml: not a text file in UTF-8 \(byte 6\)"):
        load_recipe(file)
