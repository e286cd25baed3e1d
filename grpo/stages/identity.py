"""What a stage's result hangs on: its knobs, its parents' weights, its data. Equal identities,
equal results, so a stage is done again when its identity changed, and only then.

How far a stage goes (`steps`), what it keeps, the machine and the trackers are no part of it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from grpo.recipe.schema import Recipe
from grpo.recipe.stages import AnyStage

FREE = {"name", "parent", "steps", "checkpoint"}
_WEIGHTS = ("*.safetensors", "config.json", "tokenizer.json")


@dataclass(frozen=True)
class Identity:
    """`knobs` are flat, `parents` and `data` are hashes by name.

    >>> Identity({"optimizer.lr": 1e-4}, {"base": "9f2c..."}, {"problems.jsonl": "77ab..."})
    """

    knobs: Mapping[str, Any]
    parents: Mapping[str, str]
    data: Mapping[str, str]

    def changes(self, before: Mapping[str, Any]) -> list[str]:
        """What differs from an identity as the manifest holds it, in words; [] for nothing."""
        return [
            f"{name} {_shown(old)} -> {_shown(new)}"
            if part == "knobs"
            else f"{name} is another {'checkpoint' if part == 'parents' else 'file'}"
            for part, now in self.plain().items()
            for name in dict.fromkeys([*before[part], *now])
            if (old := before[part].get(name)) != (new := now.get(name))
        ]

    def plain(self) -> dict[str, Any]:
        """As the manifest holds it."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return plain


def identity(stage: AnyStage, recipe: Recipe, weights: Mapping[str, str]) -> Identity:
    """The identity of `stage`; `weights` are the hashes of its parents' checkpoints by name."""
    read = json.loads(recipe.model_dump_json(include={"seed", *stage.reads}))
    own = json.loads(stage.model_dump_json(exclude=FREE))
    # What a stage brings itself goes before what the recipe lends to all.
    lent = {name: value for name, value in read.items() if own.get(name) is None}
    brought = {name: value for name, value in own.items() if value is not None or name not in read}
    data = getattr(stage, "data", None) or recipe.data
    paths = (data.path, getattr(data, "held_out_path", None))
    files = [Path(path) for path in paths if path]
    return Identity(
        dict(_flat({**lent, **brought})),
        dict(weights),
        {str(file): file_hash(file) for file in files if file.is_file()},
    )


def weights_hash(folder: Path) -> str:
    """One hash of what makes a checkpoint: weights, config and tokenizer."""
    digest = hashlib.sha256()
    for file in sorted(path for pattern in _WEIGHTS for path in folder.glob(pattern)):
        digest.update(f"{file.name} {file_hash(file)}\n".encode())
    return digest.hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, read once while it does not change."""
    stat = path.stat()
    return _file_hash(str(path.resolve()), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=4096)
def _file_hash(path: str, _size: int, _mtime_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flat(tree: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict) and tree:
        for name, value in tree.items():
            yield from _flat(value, f"{key}.{name}".lstrip("."))
    else:
        yield key, tree


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "..."
