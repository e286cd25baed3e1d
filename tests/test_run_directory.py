"""A run's metrics and its folder, as a resumed run finds them."""

import json
from pathlib import Path

import pytest

from grpo.errors import UserError
from grpo.metrics import MetricsFile
from grpo.recipe.dump import dump_recipe
from grpo.recipe.load import parse_recipe
from grpo.recipe.schema import Recipe
from grpo.stages.run_directory import RunDirectory
from grpo.stages.same_run import claim

RECIPE = """\
name: small
model: {path: m}
data: {path: p.jsonl}
rewards: {accuracy: 1}
stages:
  - {kind: rl, name: zero, steps: 3, prompts: 1, sampling: {max_tokens: 64}}
"""


@pytest.fixture
def recipe() -> Recipe:
    return parse_recipe(RECIPE)


@pytest.fixture
def metrics(tmp_path: Path) -> MetricsFile:
    file = MetricsFile(tmp_path / "metrics.jsonl")
    file.append("first", 0, {"loss": 0.5, "kl": float("nan")})
    file.append("second", 0, {"loss": 0.25})
    file.append("second", 1, {"loss": 0.125})
    return file


def lines(file: MetricsFile) -> list[object]:
    return [json.loads(line) for line in file.path.read_text().splitlines()]


FIRST = {"stage": "first", "step": 0, "loss": 0.5, "kl": None}


def test_a_stage_that_begins_anew_forgets_its_own_lines(metrics: MetricsFile) -> None:
    metrics.forget("second")
    assert lines(metrics) == [FIRST]
    metrics.forget("second")
    assert lines(metrics) == [FIRST]


def test_a_line_cut_off_by_a_kill_is_forgotten_too(metrics: MetricsFile) -> None:
    metrics.rewind(metrics.offset - 5)
    metrics.forget("third")
    assert len(lines(metrics)) == 2
    metrics.forget("second")
    assert lines(metrics) == [FIRST]


def test_a_stage_is_not_taken_for_one_whose_name_begins_alike(metrics: MetricsFile) -> None:
    metrics.forget("sec")
    assert len(lines(metrics)) == 3


def test_a_new_folder_and_one_of_the_same_recipe_may_be_gone_on_with(
    tmp_path: Path, recipe: Recipe
) -> None:
    folder = RunDirectory(tmp_path / "run")
    claim(folder, recipe)
    folder.recipe.write_text(dump_recipe(recipe))
    claim(folder, recipe)
    longer = parse_recipe(RECIPE, overrides=["stages.zero.steps=9", "runtime.threads=2"])
    claim(folder, longer)


@pytest.mark.parametrize("change", ["seed=1", "stages.zero.optimizer.lr=1", "data.path=q.jsonl"])
def test_another_recipe_is_refused_by_the_key_that_differs(
    tmp_path: Path, recipe: Recipe, change: str
) -> None:
    folder = RunDirectory(tmp_path)
    folder.recipe.write_text(dump_recipe(recipe))
    key = change.partition("=")[0].replace("zero", "0")
    with pytest.raises(UserError, match=rf"another recipe \(it differs in {key}\)"):
        claim(folder, parse_recipe(RECIPE, overrides=[change]))


def test_a_run_killed_in_its_very_first_write_may_begin_again(
    tmp_path: Path, recipe: Recipe
) -> None:
    (tmp_path / ".tmp-recipe.yaml-77").write_text("name: sm")
    claim(RunDirectory(tmp_path), recipe)


def test_a_folder_with_other_files_is_refused(tmp_path: Path, recipe: Recipe) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="is not empty and holds no run"):
        claim(RunDirectory(tmp_path), recipe)
