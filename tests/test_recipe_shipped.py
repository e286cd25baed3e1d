"""What ships: every recipe in the repository is right, and is found by its name from anywhere."""

from pathlib import Path

import pytest

from grpo.errors import UserError
from grpo.recipe import shipped
from grpo.recipe.load import dump_recipe, load_recipe, parse_recipe
from grpo.recipe.shipped import find_recipe, shipped_model, shipped_models, shipped_recipes

FILES = sorted((Path(__file__).parents[1] / "recipes").rglob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_shipped_recipe_loads_explains_itself_and_survives_being_saved(file: Path) -> None:
    recipe = load_recipe(file)
    assert file.read_text().startswith("# "), "it begins with a comment: what it makes"
    assert parse_recipe(dump_recipe(recipe)) == recipe


def test_the_recipes_that_ship_are_those_in_the_repository() -> None:
    assert FILES, "recipes/ holds no recipe"
    assert [recipe.path for recipe in shipped_recipes()] == FILES


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with one recipe and one model; another's `recipes` lies beside it."""
    package = tmp_path / "site" / "grpo"
    recipe = package / "recipes" / "tiny" / "zero.yaml"
    config = package / "models" / "tiny-base" / "config.json"
    foreign = tmp_path / "site" / "recipes" / "foreign.yaml"
    for file, text in ((recipe, "# Makes one.\n# More.\n"), (config, "{}"), (foreign, "")):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.setattr(shipped, "_PACKAGE", package)
    monkeypatch.chdir(tmp_path)
    return package


@pytest.mark.parametrize("name", ["tiny/zero", "tiny/zero.yaml", "recipes/tiny/zero.yaml"])
def test_a_shipped_recipe_is_found_by_name(wheel: Path, name: str) -> None:
    assert find_recipe(name) == wheel / "recipes/tiny/zero.yaml"


def test_a_file_goes_before_a_shipped_recipe(wheel: Path) -> None:
    Path("tiny").mkdir()
    Path("tiny/zero.yaml").write_text("")
    assert find_recipe("tiny/zero.yaml") == Path("tiny/zero.yaml")


def test_a_shipped_recipe_is_listed_with_the_first_line_of_its_comment(wheel: Path) -> None:
    assert [(recipe.name, recipe.summary) for recipe in shipped_recipes()] == [
        ("tiny/zero", "Makes one.")
    ]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("tiny/zeroo", "'tiny/zeroo' is neither a file nor a shipped recipe, did you mean 'tiny/z"),
        ("x.yaml", "'x.yaml' is neither a file nor a shipped recipe; valid: tiny/zero"),
        ("site", "'site' is a folder; valid: tiny/zero"),
    ],
)
def test_a_recipe_that_is_nowhere_is_refused(wheel: Path, name: str, sentence: str) -> None:
    with pytest.raises(UserError, match=f"^recipe {sentence}"):
        find_recipe(name)


def test_a_shipped_model_is_found_by_its_plain_name(wheel: Path) -> None:
    assert shipped_models() == ["tiny-base"]
    assert shipped_model("tiny-base") == wheel / "models/tiny-base"
    for name in ("tiny", "", ".", "..", "../models/tiny-base", "owner/name"):
        assert shipped_model(name) is None
