"""A checkpoint's weights as a GGUF file holds them: other names, rows of queries and keys moved.

One tensor is in memory at a time. What is stored in how many bits is llama.cpp's custom: matrices
in the dtype asked for, vectors always in float32.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedConfig

from grpo.checkpoint.weights import load_weights
from grpo.errors import UserError
from grpo.export.families import Family, rope_factors

Q8_0_BLOCK = 32
"""Weights of a row that share a scale; other rows stay in float16."""


@dataclass(frozen=True)
class Place:
    """Where a tensor of the checkpoint goes. `heads`: rows are moved within so many; 0: they stay.

    >>> Place("blk.0.attn_q.weight", (576, 576), heads=9)
    """

    name: str
    shape: tuple[int, ...]
    heads: int = 0


def places(config: PreTrainedConfig, family: Family) -> dict[str, Place]:
    """The place of every tensor that a checkpoint of `config` must hold, by checkpoint name.

    A tied output head is left out: llama.cpp takes the embedding where the file has none.
    """
    from gguf import MODEL_ARCH_NAMES, get_tensor_name_map

    arch = next(arch for arch, name in MODEL_ARCH_NAMES.items() if name == family.name)
    names = get_tensor_name_map(arch, config.num_hidden_layers)
    with torch.device("meta"):
        state = AutoModelForCausalLM.from_config(config).state_dict()
    if config.tie_word_embeddings:
        del state["lm_head.weight"]
    return {
        name: Place(
            names.get_name(name, try_suffixes=(".weight", ".bias")),
            tuple(tensor.shape),
            _heads(name, config) if family.has_pairs else 0,
        )
        for name, tensor in state.items()
    }


def _heads(name: str, config: PreTrainedConfig) -> int:
    if ".q_proj." in name:
        return int(config.num_attention_heads)
    return int(config.num_key_value_heads) if ".k_proj." in name else 0


def placed(folder: Path, wanted: dict[str, Place]) -> Iterator[tuple[Place, Tensor]]:
    """Every tensor of the checkpoint in `folder` with its place, as stored, in the files' order.

    What is not `wanted` (buffers that old checkpoints hold) is passed over. Raises UserError for a
    checkpoint that is not whole, before the first tensor where one is missing.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in _weights(folder) if name in wanted}
    if missing := sorted(wanted.keys() - shapes):
        raise UserError(f"{folder} lacks {len(missing)} tensors, the first is {missing[0]}")
    for name, shape in shapes.items():
        if shape != wanted[name].shape:
            raise UserError(
                f"{name} in {folder} is {list(shape)}, and {list(wanted[name].shape)} by its config"
            )
    for name, tensor in _weights(folder):
        if name in wanted:
            heads = wanted[name].heads
            yield wanted[name], paired(tensor, heads) if heads else tensor


def _weights(folder: Path) -> Iterator[tuple[str, Tensor]]:
    from safetensors import SafetensorError

    try:
        yield from load_weights(folder)
    except (OSError, SafetensorError) as error:
        raise UserError(f"the weights in {folder} cannot be read: {error}") from error


def paired(tensor: Tensor, heads: int) -> Tensor:
    """Rows i and i + D/2 of each head, which rotate together, side by side: [heads * D, ...]."""
    return tensor.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2)


def factors(config: PreTrainedConfig) -> Iterator[tuple[Place, Tensor]]:
    """The tensor of frequency factors, where the model stretches positions."""
    found = rope_factors(config)
    if found is not None:
        yield Place("rope_freqs.weight", tuple(found.shape)), found


def kind_of(place: Place, dtype: str) -> Any:
    """How a tensor is stored (gguf.GGMLQuantizationType) in a file of `dtype`."""
    from gguf import GGMLQuantizationType

    if len(place.shape) == 1:
        return GGMLQuantizationType.F32
    if dtype == "q8_0" and place.shape[-1] % Q8_0_BLOCK:
        return GGMLQuantizationType.F16
    return GGMLQuantizationType[dtype.upper()]


def encoded(tensor: Tensor, place: Place, dtype: str) -> np.ndarray:
    """The bytes of a tensor as they are stored. Raises UserError where float16 is too narrow."""
    from gguf.quants import quantize

    numbers = tensor.float().contiguous().numpy()
    # Too large a number is refused below, in words.
    with np.errstate(over="ignore"):
        stored = quantize(numbers, kind_of(place, dtype))
    if stored.dtype == np.float16 and not np.isfinite(stored).all():
        raise UserError(
            f"{place.name} has numbers up to {np.abs(numbers).max():.3g}, and float16 ends at "
            "65,504: give --dtype f32"
        )
    return stored
