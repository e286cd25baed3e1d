"""Any tree of dicts, lists, tuples, plain values and tensors <-> JSON + safetensors, bit for bit.

Optimizer states and the states of the random number generators are such trees. Other objects are
refused: storing them would take pickle, which runs code when it is loaded.
"""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

# JSON has no tensors, no tuples and no whole numbers as keys; these keys stand for them.
_TENSOR, _TUPLE, _ITEMS = "$tensor", "$tuple", "$items"


def save_tree(stem: Path, tree: Any) -> None:
    """Writes `<stem>.json` (structure and plain values) and `<stem>.safetensors` (tensors).

    Floats come back bit-equal (JSON writes the shortest text that reads back the same). Tensors on
    any device are stored from the CPU. Raises TypeError naming the place of any other object.
    """
    tensors: dict[str, Tensor] = {}
    packed = _pack(tree, stem.name, tensors)
    save_tensors(_file(stem, "safetensors"), tensors)
    _file(stem, "json").write_text(json.dumps(packed))


def load_tree(stem: Path) -> Any:
    """What `save_tree` was given, tensors on the CPU."""
    tensors = load_tensors(_file(stem, "safetensors"))
    return _unpack(json.loads(_file(stem, "json").read_text()), tensors)


def save_tensors(file: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes named tensors from any device as one safetensors file."""
    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(on_cpu, file, metadata={"format": "pt"})


def load_tensors(file: Path) -> dict[str, Tensor]:
    """What `save_tensors` was given, on the CPU, in memory of its own."""
    # Cloned, because tensors of a mapped file start at odd addresses, and kernels that choose
    # their path by alignment could then round otherwise than in a run that was never resumed.
    return {name: tensor.clone() for name, tensor in load_file(file).items()}


def rng_state() -> dict[str, Any]:
    """States of Python's, numpy's and torch's global generators, as a tree for `save_tree`.

    Of CUDA it is the current device's, and only where this process uses CUDA: asking the others
    would start a context on each.
    """
    name, keys, *rest = np.random.get_state()
    state = {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(np.array(keys)), *rest),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_rng_state(state: Mapping[str, Any]) -> None:
    """Puts back what `rng_state` gave; a CUDA state is left aside on a machine without CUDA."""
    random.setstate(state["python"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy(), *rest))
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


def _pack(node: Any, place: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(node, Tensor):
        if place in tensors:
            raise TypeError(f"two tensors are at {place}; a key must not look like a path of keys")
        tensors[place] = node
        return {_TENSOR: place}
    if isinstance(node, Mapping):
        return _pack_mapping(node, place, tensors)
    if isinstance(node, list | tuple):
        items = [_pack(item, f"{place}/{index}", tensors) for index, item in enumerate(node)]
        return {_TUPLE: items} if isinstance(node, tuple) else items
    return _plain(node, place)


def _pack_mapping(node: Mapping[Any, Any], place: str, tensors: dict[str, Tensor]) -> Any:
    values = {key: _pack(value, f"{place}/{key}", tensors) for key, value in node.items()}
    if all(isinstance(key, str) and not key.startswith("$") for key in values):
        return values
    return {_ITEMS: [[_plain(key, f"a key of {place}"), value] for key, value in values.items()]}


def _plain(node: Any, place: str) -> Any:
    if node is None or isinstance(node, bool | int | float | str):
        return node
    raise TypeError(
        f"{place} is a {type(node).__name__}, which JSON and safetensors cannot hold; "
        "turn it into numbers, text, lists, dicts or tensors"
    )


def _unpack(node: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(node, list):
        return [_unpack(item, tensors) for item in node]
    if not isinstance(node, dict):
        return node
    if _TENSOR in node:
        return tensors[node[_TENSOR]]
    if _TUPLE in node:
        return tuple(_unpack(item, tensors) for item in node[_TUPLE])
    if _ITEMS in node:
        return {key: _unpack(value, tensors) for key, value in node[_ITEMS]}
    return {key: _unpack(value, tensors) for key, value in node.items()}


def _file(stem: Path, kind: str) -> Path:
    return stem.with_name(f"{stem.name}.{kind}")
