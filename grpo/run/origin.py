"""Where the weights of a stage first come from, told from the recipe before anything is trained.

Shape, tokenizer and kind of model are handed on from parent to child, so what holds there holds.
"""

from pathlib import Path

from grpo.model.load import base_folder
from grpo.recipe.references import BASE
from grpo.recipe.schema import Recipe
from grpo.recipe.stages import Pretrain
from grpo.run.named import outside


def origin(recipe: Recipe, name: str) -> Path | Pretrain:
    """The folder, or the pretrain stage, that the weights of the stage `name`, of the base or of
    a checkpoint outside come from. Raises UserError for a folder that is not there."""
    if name == BASE and recipe.model is not None:
        return base_folder(recipe.model)
    for stage in recipe.stages:
        if stage.name == name:
            return stage if isinstance(stage, Pretrain) else origin(recipe, stage.parent)
    return outside(name)
