"""Whether the models of a recipe have the experts that its stages would balance, asked before
anything is trained.
"""

from collections.abc import Mapping

from grpo.errors import UserError
from grpo.model.routers import check_routers, router_biases
from grpo.recipe.schema import Recipe
from grpo.recipe.sections import Model
from grpo.recipe.stages import Distill, Pretrain, Rl, Sft
from grpo.run.origin import origin


def check_experts(recipe: Recipe, model: Model) -> None:
    """Raises UserError for a stage that would balance the experts of a model without any, and for
    one that would train routers that are not whole."""
    for stage in recipe.stages:
        if not isinstance(stage, Sft | Rl | Distill):
            continue
        first, asked = origin(recipe, stage.parent), _asked(stage)
        if isinstance(first, Pretrain):
            if asked and first.llama is not None:
                raise _nothing_to_balance(stage.name, asked, f"stage {first.name!r} makes a Llama")
            continue
        biases = router_biases(model, first)
        if asked and not biases:
            raise _nothing_to_balance(stage.name, asked, f"this is the model in {first}")
        if biases:
            check_routers(first, biases)


def _asked(stage: Sft | Rl | Distill) -> Mapping[str, str]:
    """What the stage asks for that needs experts, and what would not."""
    losses = {key: "0" for key in ("balance", "expert_balance") if getattr(stage, key)}
    return losses if stage.router_bias == "freeze" else {"router_bias": "freeze", **losses}


def _nothing_to_balance(stage: str, asked: Mapping[str, str], why: str) -> UserError:
    cure = " and ".join(f"{key} to {idle}" for key, idle in asked.items())
    return UserError(
        f"stage {stage!r} sets {' and '.join(asked)}, for a model that has no routers with a bias, "
        f"as DeepSeek-V3's have ({why}); set {cure}"
    )
