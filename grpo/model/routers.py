"""What a checkpoint's routers are and whether they are whole, asked before any weight is read.

Only DeepSeek-V3's routers are known: others have no bias that chooses and never weighs.
"""

from collections.abc import Mapping
from pathlib import Path

from grpo.checkpoint.weights import weight_names
from grpo.errors import UserError
from grpo.model.config_file import read_config
from grpo.model.load import hollow_model
from grpo.recipe.sections import Model

BIAS = "gate.e_score_correction_bias"


def router_biases(knobs: Model, folder: Path) -> Mapping[str, int]:
    """The router biases of the model in `folder`, by name, with their numbers of experts; none
    for a model without experts, or with routers of another kind."""
    if not read_config(folder).get("n_routed_experts"):
        return {}
    tensors = hollow_model(knobs, folder).state_dict()
    return {name: len(tensor) for name, tensor in tensors.items() if name.endswith(BIAS)}


def check_routers(folder: Path, biases: Mapping[str, int]) -> None:
    """Raises UserError where the checkpoint lacks some of its routers' `biases`, or does not tell
    other engines that it has them."""
    lacking = sorted(set(biases).difference(weight_names(folder)))
    if lacking:
        raise UserError(
            f"the model in {folder} lacks {len(lacking)} of its {len(biases)} router biases, the "
            f"first is {lacking[0]}; take the whole checkpoint, or, where it never had any, write "
            f"zeros of [{biases[lacking[0]]}] into it under these names"
        )
    method = read_config(folder).get("topk_method")
    if method != "noaux_tc":
        raise UserError(
            f"config.json in {folder} has topk_method={method!r}: vLLM would not load the "
            'routers\' bias (e_score_correction_bias); write "topk_method": "noaux_tc" into it'
        )
