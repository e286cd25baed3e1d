"""How many multi-token-prediction modules a checkpoint has, by its config and by its weights.

Only names are read: no tensor, and no model is built.
"""

from collections.abc import Mapping
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from grpo.checkpoint.weights import weight_names
from grpo.errors import UserError
from grpo.model.config_file import read_config

KEY = "num_nextn_predict_layers"
"""D, by its name in config.json."""


def draft_heads(config: Mapping[str, Any]) -> tuple[str, ...]:
    """What the names of the modules' tensors begin with: layers N to N + D - 1 of `config`.

    >>> draft_heads({"num_hidden_layers": 61, "num_nextn_predict_layers": 1})
    ('model.layers.61.',)
    """
    first, depth = config.get("num_hidden_layers") or 0, config.get(KEY) or 0
    return tuple(f"model.layers.{layer}." for layer in range(first, first + depth))


def heads_in(folder: Path) -> tuple[str, ...]:
    """`draft_heads` of the checkpoint in `folder`."""
    return draft_heads(read_config(folder))


def draft_depth(folder: Path) -> int:
    """D of the checkpoint; 0 where it is no DeepSeek-V3, or its weights were saved without.

    Raises UserError where its weights hold modules, and not as many as its config says.
    """
    config = read_config(folder)
    if config.get("model_type") != "deepseek_v3":
        return 0
    said, found = config.get(KEY) or 0, _found(folder, config["num_hidden_layers"])
    if found not in (0, said):
        raise UserError(
            f"the model in {folder} holds {found} multi-token-prediction layers after its "
            f"{config['num_hidden_layers']} layers, and its config.json says {KEY} {said}; write "
            f"{found} there, or give a checkpoint of that depth"
        )
    return found


def _found(folder: Path, layers: int) -> int:
    """How many layers follow the model's own in the weights."""
    there = {
        name.split(".")[2] for name in weight_names(folder) if name.startswith("model.layers.")
    }
    return sum(1 for _ in takewhile(lambda layer: str(layer) in there, count(layers)))
