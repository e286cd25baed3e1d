"""The wheel: what ships is in it, and nothing that would stand in other people's way."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
SHIPPED = ("grpo", "rewards", "data", "recipes")
FILES = ("pyproject.toml", "setup.py", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that no build folder is left in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "checkout"
    for name in SHIPPED:
        caches = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(ROOT / name, copy / name, ignore=caches)
    for name in FILES:
        shutil.copy(ROOT / name, copy / name)
    words = ["wheel", ".", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *words], cwd=copy, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_every_module_is_in_it(names: set[str]) -> None:
    for source, package in ((".", "grpo"), ("data", "grpo_data"), ("rewards", "grpo_rewards")):
        for file in (ROOT / source / package).rglob("*.py"):
            assert file.relative_to(ROOT / source).as_posix() in names


def test_recipes_and_the_report_s_assets_are_in_it(names: set[str]) -> None:
    assert "grpo/recipes/tiny/r1_zero.yaml" in names
    for file in (ROOT / "recipes").rglob("*.yaml"):
        assert f"grpo/recipes/{file.relative_to(ROOT / 'recipes').as_posix()}" in names
    for kind in ("html", "css", "js"):
        assert f"grpo/report/assets/report.{kind}" in names


@pytest.mark.parametrize(
    ("model", "recipe"), [("tiny-base", "pretrain"), ("tiny-student", "student")]
)
def test_the_tiny_models_are_in_it(names: set[str], model: str, recipe: str) -> None:
    if not (ROOT / "data/models" / model).is_dir():
        pytest.skip(f"data/models/{model} is not there: grpo run recipes/tiny/{recipe}.yaml")
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        assert f"grpo/models/{model}/{name}" in names


def test_nothing_is_installed_beside_our_packages(names: set[str]) -> None:
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "grpo", "grpo_data", "grpo_rewards",
    }  # fmt: skip


def test_the_command_and_the_licence_are_in_it(wheel: Path, names: set[str]) -> None:
    (entries,) = [name for name in names if name.endswith("entry_points.txt")]
    with zipfile.ZipFile(wheel) as archive:
        assert "grpo = grpo.cli:main" in archive.read(entries).decode()
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_an_unpacked_wheel_finds_what_it_ships(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = "from grpo.recipe.shipped import find_recipe; print(find_recipe('tiny/r1_zero'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = tmp_path / "site/grpo/recipes/tiny/r1_zero.yaml"
    assert Path(done.stdout.strip()) == expected
