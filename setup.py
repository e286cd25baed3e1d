"""What pyproject.toml cannot say: the recipes and the tiny models lie outside the package and ship
inside it, as grpo/recipes and grpo/models."""

from pathlib import Path
from shutil import copytree

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithData(build_py):
    """Copies what ships into the wheel; an editable install finds it in the checkout."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for source, target in (("recipes", "recipes"), ("data/models", "models")):
                copytree(source, Path(self.build_lib) / "grpo" / target, dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithData})
