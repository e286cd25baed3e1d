"""Whether students and teachers of a recipe share a vocabulary, asked before anything is trained.

A stage hands on the tokenizer it got, so what it will be is known before the stage is done.
"""

from pathlib import Path

from grpo.model.vocabulary import check_vocabulary
from grpo.recipe.references import bare
from grpo.recipe.schema import Recipe
from grpo.recipe.sections import Model
from grpo.recipe.stages import Distill, Pretrain, Sft
from grpo.run.named import outside
from grpo.run.origin import origin


def check_vocabularies(recipe: Recipe, model: Model) -> None:
    """Raises UserError for a stage whose teacher has another vocabulary than its parent; the
    tokenizer that a pretrain stage is still to train is left for later."""
    for stage in recipe.stages:
        teacher = stage.teacher if isinstance(stage, Distill) else None
        if isinstance(stage, Sft) and stage.teacher is not None:
            teacher = stage.teacher.path
        if teacher is None:
            continue
        ours, theirs = (_tokenizer_of(recipe, name) for name in (stage.parent, bare(teacher)))
        if ours is not None and theirs is not None:
            check_vocabulary(model, ours, theirs)


def _tokenizer_of(recipe: Recipe, name: str) -> Path | None:
    """The folder that the tokenizer of a stage, the base or a checkpoint outside comes from."""
    first = origin(recipe, name)
    if isinstance(first, Pretrain):
        return None if first.tokenizer is None else outside(first.tokenizer)
    return first
