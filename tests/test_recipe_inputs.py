"""What a recipe points at, looked up before a model loads: a sentence for each thing missing."""

import json
from pathlib import Path
from typing import Any

import pytest

from grpo.inputs import input_faults
from grpo.recipe.schema import Recipe

REWARDS = """
from elsewhere import polite as kind, wrapped
def brief(prompts, completions, *, answer=None, target=40, **columns): ...
@wrapped
def terse(completions): ...
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a model, problems and rewards of one's own."""
    monkeypatch.chdir(tmp_path)
    for name in ("m/config.json", "models/other/config.json", "empty/x", "weights.bin"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    row = {"question": "3 + 4?", "answer": "7", "final": "so #### 7"}
    (tmp_path / "p.jsonl").write_text(json.dumps(row) + "\nbroken\n")
    (tmp_path / "broken.jsonl").write_text("{\n")
    (tmp_path / "r.py").write_text(REWARDS)
    (tmp_path / "bad.py").write_text("def f(:\n")
    return tmp_path


def faults(
    *, model: str = "m", rewards: Any = None, stage: Any = None, only: Any = None, **data: Any
) -> str:
    recipe = Recipe.model_validate(
        {
            "name": "r",
            "model": {"path": model},
            "data": {"path": "p.jsonl", **data},
            "rewards": {"accuracy": 1} if rewards is None else rewards,
            "stages": [{"name": "zero", **(only or {"kind": "rl", "steps": 1, **(stage or {})})}],
        }
    )
    return "\n".join(f"key {key!r}: {sentence}" for key, sentence in input_faults(recipe))


@pytest.mark.parametrize("path", ["m", "./m", "models/other", "Qwen/Qwen2.5-0.5B"])
def test_a_model_that_is_there_or_on_the_hub_is_taken(path: str) -> None:
    assert faults(model=path) == ""


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("models/missing", "there is no folder 'models/missing' (seen from "),
        ("runs/x/checkpoint", "there is no folder 'runs/x/checkpoint'"),
        ("m/missing", "there is no folder 'm/missing'"),
        ("./Qwen/Qwen", "there is no folder './Qwen/Qwen'"),
        ("a/b/c", "there is no folder 'a/b/c'"),
        ("empty", "'empty' is a folder without config.json"),
        ("weights.bin", "'weights.bin' is a file"),
        ("gpt", "'gpt' is neither a folder, a model that ships, nor a hub name OWNER/NAME"),
    ],
)
def test_a_model_that_is_nowhere_is_named(path: str, sentence: str) -> None:
    assert faults(model=path).startswith(f"key 'model.path': {sentence}")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"answer": "final", "answer_after": "####"},
        {"path": "tiny:all"},
        {"path": "openai/gsm8k"},
        {"path": "gsm8k"},
        {"path": "empty"},
        {"held_out_path": "p.jsonl"},
    ],
)
def test_problems_that_are_there_are_taken(data: dict[str, Any]) -> None:
    assert faults(**data) == ""


@pytest.mark.parametrize(
    ("data", "key", "sentence"),
    [
        ({"path": "missing.jsonl"}, "data.path", "no file missing.jsonl"),
        ({"path": "data/missing"}, "data.path", "there is no file or folder 'data/missing'"),
        ({"path": "tony:all"}, "data.path", "there is no file or folder 'tony:all'"),
        ({"path": "m/config.yaml"}, "data.path", "there is no file or folder 'm/config.yaml'"),
        ({"path": "weights.bin"}, "data.path", "weights.bin ends in '.bin'"),
        ({"path": "broken.jsonl"}, "data.path", "broken.jsonl:1: not valid JSON"),
        ({"path": "tiny:nothing"}, "data.path", "tiny:nothing: no kind 'nothing'"),
        ({"question": "quest"}, "data.path", "p.jsonl:1: no column 'quest'; the nearest is 'quest"),
        ({"answer": "solution"}, "data.path", "p.jsonl:1: no column 'solution'"),
        ({"held_out_path": "h.jsonl"}, "data.held_out_path", "no file h.jsonl"),
    ],
)
def test_problems_that_are_not_there_are_named(
    data: dict[str, Any], key: str, sentence: str
) -> None:
    assert faults(**data).startswith(f"key {key!r}: {sentence}")


def test_a_stage_has_its_own_problems_and_rewards_looked_up() -> None:
    stage = {"data": {"path": "missing.jsonl"}, "rewards": {"acuracy": 1}}
    lines = faults(stage=stage).splitlines()
    assert lines[0].startswith("key 'stages.zero.data.path': no file missing.jsonl")
    assert lines[1].startswith("key 'stages.zero.rewards.acuracy': unknown reward 'acuracy': did")


@pytest.mark.parametrize(
    ("data", "key", "sentence"),
    [
        ({"path": "missing.jsonl"}, "path", "no file missing.jsonl"),
        ({"path": "p.jsonl"}, "path", "p.jsonl:1: no 'prompt'; a conversation has 'prompt' and"),
        ({"path": "tiny:all"}, "path", "no generator 'tiny:all'; the nearest is 'tiny:general'"),
        ({"path": "tiny:cold_start", "config": {"mix": 1}}, "path", "tiny:cold_start: its config"),
        ({"path": "./nowhere"}, "path", "there is no file or folder './nowhere'"),
    ],
)
def test_conversations_that_are_not_there_are_named(
    data: dict[str, Any], key: str, sentence: str
) -> None:
    said = faults(only={"kind": "sft", "data": data})
    assert said.startswith(f"key 'stages.zero.data.{key}': {sentence}")


@pytest.mark.parametrize("name", ["format", "r.py:brief", "r.py:kind", "json.dumps"])
def test_a_reward_that_is_there_is_taken(name: str) -> None:
    assert faults(rewards={name: 1}) == ""


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("acuracy", "unknown reward 'acuracy': did you mean 'accuracy'?"),
        ("missing.py:f", "reward 'missing.py:f': there is no file"),
        ("r.py:breif", "reward 'r.py:breif': no 'breif' in "),
        ("bad.py:f", "reward 'bad.py:f': not valid Python"),
        ("nowhere.at.all", "reward 'nowhere.at.all': no package 'nowhere' is installed"),
    ],
)
def test_a_reward_that_is_not_there_is_named(name: str, sentence: str) -> None:
    assert faults(rewards={name: 1}).startswith(f"key 'rewards.{name}': {sentence}")


@pytest.mark.parametrize(
    "rewards",
    [
        {"r.py:brief": {"weight": 0.2, "target": 30}},
        {"r.py:brief": {"target": 30}},
        {"r.py:kind": {"whatever": 1}},  # imported or wrapped: known when it is loaded
        {"r.py:terse": {"whatever": 1}},
        {"json.dumps": {"indent": 1}},
    ],
)
def test_knobs_a_reward_has_are_taken(rewards: dict[str, Any]) -> None:
    assert faults(rewards=rewards) == ""


@pytest.mark.parametrize(
    ("name", "knob", "sentence"),
    [
        ("r.py:brief", "taget", "unknown knob 'taget': did you mean 'target'?"),
        ("r.py:brief", "zzz", "unknown knob 'zzz': it has answer, target"),
        ("r.py:brief", "completions", "unknown knob 'completions': it has"),
        ("accuracy", "tolerence", "unknown knob 'tolerence': "),
    ],
)
def test_a_knob_a_reward_does_not_have_is_named(name: str, knob: str, sentence: str) -> None:
    said = faults(rewards={name: {"weight": 1, knob: 1}})
    assert said.startswith(f"key 'rewards.{name}.{knob}': reward {name!r}: {sentence}")
    stage = {"rewards": {name: {knob: 1}}}
    assert faults(stage=stage).startswith(f"key 'stages.zero.rewards.{name}.{knob}': reward")
