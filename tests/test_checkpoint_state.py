"""Optimizer states and random number generators come back bit for bit."""

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from grpo.checkpoint.state import load_tree, rng_state, save_tree, set_rng_state
from grpo.checkpoint.trainer import TrainerState, load_trainer, save_trainer

OPTIMIZERS: dict[str, Callable[[nn.Module], torch.optim.Optimizer]] = {
    "adamw": lambda m: torch.optim.AdamW(groups(m), lr=1e-2, betas=(0.9, 0.95)),
    "amsgrad": lambda m: torch.optim.AdamW(groups(m), lr=1e-2, amsgrad=True),
    "momentum": lambda m: torch.optim.SGD(groups(m), lr=1e-2, momentum=0.9),
    "tensor_lr": lambda m: torch.optim.AdamW(m.parameters(), lr=torch.tensor(1e-2)),
}


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(7, 13), nn.Dropout(0.3), nn.GELU(), nn.Linear(13, 3))


def groups(model: nn.Module) -> list[dict[str, Any]]:
    decayed = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    """Steps that draw from all three generators: batch, scale, and offset."""
    for _ in range(steps):
        batch = torch.randn(5, 7) * random.random() + float(np.random.rand())
        optimizer.zero_grad()
        model(batch).square().mean().backward()
        optimizer.step()


def bits(tree: Any) -> Any:
    """The tree with every tensor as (dtype, shape, bytes) and every float as hexadecimal."""
    if isinstance(tree, Tensor):
        return str(tree.dtype), tuple(tree.shape), tree.contiguous().view(-1).numpy().tobytes()
    if isinstance(tree, dict):
        return {key: bits(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(bits(item) for item in tree)
    return tree.hex() if isinstance(tree, float) else tree


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_resumed_run_equals_a_straight_one(tmp_path: Path, kind: str) -> None:
    random.seed(1)
    np.random.seed(2)
    model = network()
    optimizer = OPTIMIZERS[kind](model)
    train(model, optimizer, 3)
    saved = optimizer.state_dict()
    save_trainer(tmp_path, TrainerState({"step": 3}, saved, rng_state(), model.state_dict()))
    train(model, optimizer, 3)

    random.seed(8)
    np.random.seed(9)
    resumed = network()
    other = OPTIMIZERS[kind](resumed)
    loaded = load_trainer(tmp_path)
    resumed.load_state_dict(loaded.tensors)
    other.load_state_dict(dict(loaded.optimizer))
    set_rng_state(loaded.rng)
    train(resumed, other, 3)

    assert loaded.state == {"step": 3}
    assert bits(dict(resumed.state_dict())) == bits(dict(model.state_dict()))
    assert bits(other.state_dict()) == bits(optimizer.state_dict())


def test_each_generator_goes_on_where_it_was(tmp_path: Path) -> None:
    def draw() -> list[float]:
        numbers = [random.random(), random.gauss(0, 1), np.random.rand(), np.random.randn()]
        return [*map(float, numbers), float(torch.rand(())), float(torch.randn(()))]

    random.seed(3)
    np.random.seed(4)
    torch.manual_seed(5)
    draw()  # gauss() and randn() now hold a second number back, which is part of the state
    save_tree(tmp_path / "rng", rng_state())
    expected = draw()
    assert draw() != expected
    set_rng_state(load_tree(tmp_path / "rng"))
    assert draw() == expected


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_generator_of_the_gpu_too(tmp_path: Path) -> None:
    torch.cuda.manual_seed(6)
    torch.rand(3, device="cuda")
    save_tree(tmp_path / "rng", rng_state())
    expected = torch.rand(3, device="cuda")
    set_rng_state(load_tree(tmp_path / "rng"))
    assert torch.equal(torch.rand(3, device="cuda"), expected)


def test_a_tree_of_everything_comes_back_in_kind(tmp_path: Path) -> None:
    tree: dict[Any, Any] = {
        "floats": [0.1, -0.0, 1e-320, math.inf, math.nan, 2.0**70],
        "mixed": (1, None, True, "é", (), {}),
        7: {"7": 2**80, "$tuple": "a key that looks like a mark"},
        "tensors": [
            torch.tensor([math.nan, -0.0]),
            torch.tensor(3, dtype=torch.uint32),
            torch.arange(6, dtype=torch.bfloat16).view(2, 3).T.float(),
            torch.zeros(0, 4, dtype=torch.int64),
            torch.tensor([True, False]),
        ],
    }
    save_tree(tmp_path / "a.b", tree)
    assert bits(load_tree(tmp_path / "a.b")) == bits(tree)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.b.json", "a.b.safetensors"]


def test_loaded_tensors_have_memory_of_their_own(tmp_path: Path) -> None:
    save_tree(tmp_path / "t", {"a": torch.zeros(3), "b": torch.zeros(100)})
    loaded = load_tree(tmp_path / "t")
    assert all(tensor.data_ptr() % 64 == 0 for tensor in loaded.values())
    loaded["b"].add_(1)
    assert float(load_tree(tmp_path / "t")["b"].sum()) == 0.0


def test_an_object_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"optimizer/groups/0/device is a device"):
        save_tree(tmp_path / "optimizer", {"groups": [{"device": torch.device("cpu")}]})
    with pytest.raises(TypeError, match=r"a key of optimizer is a tuple"):
        save_tree(tmp_path / "optimizer", {(1, 2): 0.5})
    with pytest.raises(TypeError, match=r"two tensors are at x/a/b"):
        save_tree(tmp_path / "x", {"a/b": torch.ones(1), "a": {"b": torch.zeros(1)}})


def test_trainer_state_must_be_plain_json(tmp_path: Path) -> None:
    plain = {"step": 4, "tokens": 18204, "data": {"position": [1, 2]}, "kl": math.nan}
    save_trainer(tmp_path, TrainerState(plain, {}, {}))
    assert repr(load_trainer(tmp_path).state) == repr(plain)
    assert json.loads((tmp_path / "state.json").read_text())["tokens"] == 18204
    wrongs: tuple[dict[Any, Any], ...] = ({"position": (1, 2)}, {1: "one"})
    for wrong in wrongs:
        with pytest.raises(TypeError, match="plain JSON"):
            save_trainer(tmp_path, TrainerState(wrong, {}, {}))
