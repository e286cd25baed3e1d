"""A stage with paths in the place of names, so that the code of a stage knows no other stage."""

from functools import partial

from grpo.model.load import base_folder
from grpo.recipe.base import KeyPath
from grpo.recipe.linked import CONVERSATIONS, PREFERENCES, wanted_at
from grpo.recipe.references import BASE, is_outside, replaced
from grpo.recipe.schema import Recipe
from grpo.recipe.stages import AnyStage, Distill, Sft
from grpo.run.named import outside
from grpo.run.run_directory import RunDirectory


def resolved(stage: AnyStage, recipe: Recipe, run: RunDirectory) -> AnyStage:
    """`stage` with the file or folder that each `stage:NAME` in it comes to, and its teacher's.

    The stages it names are done. Raises UserError for a teacher that is not there.
    """
    tree = stage.model_dump(mode="json")
    named = replaced(tree, partial(_path, stage, recipe, run))
    if isinstance(stage, Distill) and is_outside(stage.teacher):
        named["teacher"] = str(outside(stage.teacher))
    elif isinstance(stage, Sft) and stage.teacher and is_outside(stage.teacher.path):
        named["teacher"]["path"] = str(outside(stage.teacher.path))
    return stage if named == tree else type(stage).model_validate(named)


def _path(stage: AnyStage, recipe: Recipe, run: RunDirectory, at: KeyPath, name: str) -> str:
    if wanted_at(stage, at) in (CONVERSATIONS, PREFERENCES):
        return str(run.conversations(name).resolve())
    if name == BASE:
        assert recipe.model is not None, "the recipe's own check asks for it"
        return str(base_folder(recipe.model))
    return str(run.placed(run.manifest()["stages"][name]["checkpoint"]).resolve())
