"""What ships with the package: recipes and tiny models, found in a wheel and in a checkout alike.

In a wheel they lie inside `grpo/`; in a checkout in `recipes/` and `data/models/` beside it.
"""

from dataclasses import dataclass
from pathlib import Path

from grpo.errors import UserError
from grpo.recipe.near import did_you_mean

_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class ShippedRecipe:
    """A recipe that ships.

    >>> ShippedRecipe("tiny/r1_zero", Path("recipes/tiny/r1_zero.yaml"), "R1-Zero on a laptop.")
    """

    name: str
    path: Path
    summary: str


def find_recipe(name: str) -> Path:
    """The file called `name`, else the shipped recipe: `tiny/r1_zero`, with or without `.yaml`.

    Raises UserError when there is neither.
    """
    path = Path(name)
    if path.is_file():
        return path
    known = {recipe.name: recipe.path for recipe in shipped_recipes()}
    short = name.removeprefix("recipes/").removesuffix(".yaml")
    if short in known:
        return known[short]
    what = "is a folder" if path.is_dir() else "is neither a file nor a shipped recipe"
    raise UserError(f"recipe {name!r} {what}{did_you_mean(short, known)}")


def shipped_recipes() -> list[ShippedRecipe]:
    """All shipped recipes by name, each with the first line of its opening comment."""
    root = _home("recipes", "recipes")
    files = sorted(root.rglob("*.yaml"))
    return [
        ShippedRecipe(str(file.relative_to(root).with_suffix("").as_posix()), file, _summary(file))
        for file in files
    ]


def shipped_model(name: str) -> Path | None:
    """The folder of the model that ships under `name`, such as `tiny-base`; None: none does."""
    folder = _home("models", "data/models") / name
    is_plain = name not in ("", ".", "..") and "/" not in name
    return folder if is_plain and (folder / "config.json").is_file() else None


def shipped_models() -> list[str]:
    """The names of the models that ship."""
    return sorted(path.parent.name for path in _home("models", "data/models").glob("*/config.json"))


def _home(in_wheel: str, in_checkout: str) -> Path:
    # the wheel's first: beside an installed package anybody's `recipes` may lie
    inside = _PACKAGE / in_wheel
    return inside if inside.is_dir() else _PACKAGE.parent / in_checkout


def _summary(file: Path) -> str:
    with file.open(encoding="utf-8-sig") as lines:
        first = next(lines, "")
    return first.removeprefix("#").strip() if first.startswith("#") else ""
