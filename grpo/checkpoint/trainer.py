"""The `trainer/` folder of a checkpoint: what a resumed run needs besides the policy's weights.

The reference policy's weights, in `trainer/reference/`, are written and read by `weights.py`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from grpo.checkpoint.state import load_tensors, load_tree, save_tensors, save_tree


@dataclass(frozen=True)
class TrainerState:
    """Everything that continues a run bit for bit, as plain values and tensors.

    >>> TrainerState(
    ...     state={"step": 40, "tokens": 81920, "data": {"epoch": 0, "position": 1280}},
    ...     optimizer=optimizer.state_dict(),
    ...     rng=rng_state(),
    ...     tensors={"router_load": torch.zeros(2, 8)},
    ... )
    """

    state: Mapping[str, Any]
    optimizer: Mapping[str, Any]
    rng: Mapping[str, Any]
    tensors: Mapping[str, Tensor] = field(default_factory=dict)


def save_trainer(folder: Path, trainer: TrainerState) -> None:
    """Writes state.json, optimizer.*, rng.* and tensors.safetensors into `folder`.

    Raises TypeError when `state` would not come back from JSON as it went in (a tuple, a number
    as a key, an object).
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "state.json").write_text(_plain_json(trainer.state))
    save_tree(folder / "optimizer", trainer.optimizer)
    save_tree(folder / "rng", trainer.rng)
    save_tensors(folder / "tensors.safetensors", trainer.tensors)


def load_trainer(folder: Path) -> TrainerState:
    """What `save_trainer` was given, tensors on the CPU."""
    return TrainerState(
        state=json.loads((folder / "state.json").read_text()),
        optimizer=load_tree(folder / "optimizer"),
        rng=load_tree(folder / "rng"),
        tensors=load_tensors(folder / "tensors.safetensors"),
    )


def _plain_json(state: Mapping[str, Any]) -> str:
    text = json.dumps(dict(state), indent=1)
    # Compared as text, because a NaN is not equal to itself.
    if repr(json.loads(text)) != repr(dict(state)):
        raise TypeError(
            "the trainer's state must be plain JSON (str keys, lists instead of tuples), "
            f"got {dict(state)!r}"
        )
    return text
