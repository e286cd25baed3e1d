"""A run's metrics and its folder, as a resumed run finds them."""

from pathlib import Path

import pytest

from grpo.errors import UserError
from grpo.recipe.dump import dump_recipe
from grpo.recipe.load import parse_recipe
from grpo.recipe.schema import Recipe
from grpo.run.run_directory import RunDirectory
from grpo.run.same_run import claim

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


def test_a_new_folder_and_one_of_the_same_recipe_may_be_gone_on_with(
    tmp_path: Path, recipe: Recipe
) -> None:
    folder = RunDirectory(tmp_path / "run")
    claim(folder, recipe)
    folder.recipe.write_text(dump_recipe(recipe))
    claim(folder, recipe)
    longer = parse_recipe(RECIPE, overrides=["stages.zero.steps=9", "runtime.threads=2"])
    claim(folder, longer)


def test_another_recipe_is_refused_by_its_name(tmp_path: Path, recipe: Recipe) -> None:
    folder = RunDirectory(tmp_path)
    folder.recipe.write_text(dump_recipe(recipe))
    with pytest.raises(UserError, match="holds a run of another recipe, 'small'"):
        claim(folder, parse_recipe(RECIPE, overrides=["name=large"]))


def test_a_run_killed_in_its_very_first_write_may_begin_again(
    tmp_path: Path, recipe: Recipe
) -> None:
    (tmp_path / ".tmp-recipe.yaml-77").write_text("name: sm")
    claim(RunDirectory(tmp_path), recipe)


def test_a_folder_with_other_files_is_refused(tmp_path: Path, recipe: Recipe) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="is not empty and holds no run"):
        claim(RunDirectory(tmp_path), recipe)
