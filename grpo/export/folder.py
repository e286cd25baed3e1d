"""A checkpoint as a folder for others: weights, config, tokenizer and a model card.

Optimizers, rollouts and other things a resumed run needs stay behind. Nothing is converted: what
transformers and vLLM load from the checkpoint they load from the copy.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from grpo.checkpoint.atomic import atomic_dir
from grpo.checkpoint.mark import MARK
from grpo.checkpoint.weights import load_weights
from grpo.errors import UserError
from grpo.export.card import RECIPE, card
from grpo.export.history import measured
from grpo.export.origin import Origin

_KEPT = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "*.py", "LICENSE*", "NOTICE*")
_LEFT = (MARK, "trainer_state.json")


def write_folder(origin: Origin, out: Path, results: Sequence[Path] = ()) -> None:
    """Copy the checkpoint to the folder `out`, which must be new or empty, with its README.md.

    `results` are folders of `grpo eval` about these weights, whose scores go on the card too.
    Raises UserError for an `out` that holds something, a checkpoint without weights, a result of
    other weights, and a full disk.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise UserError(f"{out} is there and not empty: give another --out, or delete it")
    weights = sum(tensor.numel() for _, tensor in load_weights(origin.folder))
    config = json.loads((origin.folder / "config.json").read_text())
    text = card(origin, config, weights, measured(origin, results))
    files = list(_kept(origin.folder))
    size = sum(file.stat().st_size for file in files)
    with atomic_dir(out, expected_bytes=size) as temp:
        for file in files:
            shutil.copyfile(file, temp / file.name)
        if origin.run and origin.run.recipe_text:
            (temp / RECIPE).write_text(origin.run.recipe_text)
        (temp / "README.md").write_text(text)


def _kept(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.iterdir()):
        is_kept = any(fnmatch(file.name, pattern) for pattern in _KEPT)
        if file.is_file() and is_kept and file.name not in _LEFT:
            yield file
