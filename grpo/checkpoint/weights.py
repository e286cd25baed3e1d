"""Weights in Hugging Face format: what `AutoModelForCausalLM` and vLLM load as a folder.

Gathering a sharded model and turning fused experts into checkpoint names is the model's business;
here names and tensors are taken as they come.
"""

import copy
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from huggingface_hub import split_torch_state_dict_into_shards
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from transformers import GenerationConfig, PreTrainedConfig, PreTrainedTokenizerBase

from grpo.errors import UserError

_SINGLE = "model.safetensors"
_INDEX = "model.safetensors.index.json"
# Kept by transformers with a tokenizer's own settings: a resumed run would save other bytes.
_HOW_LOADED = ("is_local", "local_files_only")


def save_weights(
    folder: Path,
    tensors: Mapping[str, Tensor],
    config: PreTrainedConfig,
    tokenizer: PreTrainedTokenizerBase,
    generation_config: GenerationConfig | None = None,
    max_shard: int | str = "5GB",
) -> None:
    """Writes the weights (checkpoint names, any device), config and tokenizer into `folder`.

    config.json gets the tensors' own dtype: with another one, `from_pretrained` would cast them.
    Memory on the CPU stays at one shard. Raises ValueError without tensors or `architectures`.
    """
    if not tensors:
        raise ValueError(f"no tensors to save in {folder}")
    if not config.architectures:
        raise ValueError(
            f"the config to save in {folder} names no architectures, so vLLM could not load it; "
            "set config.architectures = [type(model).__name__]"
        )
    folder.mkdir(parents=True, exist_ok=True)
    _save_shards(folder, _without_tied_head(tensors, config), max_shard)
    honest = copy.deepcopy(config)
    honest.dtype = _main_dtype(tensors)
    honest.save_pretrained(folder)
    for key in _HOW_LOADED:
        tokenizer.init_kwargs.pop(key, None)
    tokenizer.save_pretrained(folder)
    if generation_config is not None:
        generation_config.save_pretrained(folder)


def load_weights(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Every (checkpoint name, CPU tensor) of a folder, one at a time.

    The tensors may be views of the mapped file: copy them into the model's own memory. Raises
    UserError at the first step when the folder holds no safetensors weights.
    """
    for shard in _shards(folder):
        with safe_open(folder / shard, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 (safe_open is no dict)
                yield name, file.get_tensor(name)


def weight_names(folder: Path) -> list[str]:
    """The checkpoint names of a folder's tensors, none of which is read.

    Raises UserError when the folder holds no safetensors weights.
    """
    names: list[str] = []
    for shard in _shards(folder):
        with safe_open(folder / shard, framework="pt") as file:
            names += file.keys()
    return names


def _save_shards(folder: Path, tensors: Mapping[str, Tensor], max_shard: int | str) -> None:
    # Planned on the meta device: experts cut from one fused tensor share its memory, and the
    # planner would count the whole for each shard and keep them all in one.
    plan = split_torch_state_dict_into_shards(
        {name: torch.empty_like(t, device="meta") for name, t in tensors.items()},
        max_shard_size=max_shard,
    )
    for file, names in plan.filename_to_tensors.items():
        shard = {name: _own_copy(tensors[name]) for name in names}
        save_file(shard, folder / file, metadata={"format": "pt"})
    if plan.is_sharded:
        index = {"metadata": plan.metadata, "weight_map": plan.tensor_to_filename}
        (folder / _INDEX).write_text(json.dumps(index, indent=1))


def _own_copy(tensor: Tensor) -> Tensor:
    # safetensors refuses tensors that share memory.
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)


def _without_tied_head(
    tensors: Mapping[str, Tensor], config: PreTrainedConfig
) -> Mapping[str, Tensor]:
    """Leaves out an output head that is the input embedding itself, as published models do."""
    head = tensors.get("lm_head.weight")
    if head is None or not getattr(config, "tie_word_embeddings", False):
        return tensors
    others = {name: t for name, t in tensors.items() if name != "lm_head.weight"}
    tied = any(t.data_ptr() == head.data_ptr() for t in others.values())
    return others if tied else tensors


def _main_dtype(tensors: Mapping[str, Tensor]) -> torch.dtype:
    """The dtype that most of the numbers have."""
    counts: Counter[torch.dtype] = Counter()
    for tensor in tensors.values():
        counts[tensor.dtype] += tensor.numel()
    return counts.most_common(1)[0][0]


def _shards(folder: Path) -> list[str]:
    if (folder / _INDEX).is_file():
        weight_map: dict[str, str] = json.loads((folder / _INDEX).read_text())["weight_map"]
        return sorted(set(weight_map.values()))
    if (folder / _SINGLE).is_file():
        return [_SINGLE]
    raise UserError(
        f"{folder} holds no weights: neither {_SINGLE} nor {_INDEX} is there; "
        "give the folder of a model in Hugging Face safetensors format"
    )
