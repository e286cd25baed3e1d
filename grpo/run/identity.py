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
from types import MappingProxyType
from typing import Any

from grpo.recipe.base import Section
from grpo.recipe.schema import Recipe
from grpo.recipe.sections import Data
from grpo.recipe.shipped import shipped_model
from grpo.recipe.stages import AnyStage, Drawn, Evaluate, Pretrain, Rl

FREE = {"name", "parent", "steps", "checkpoint"}
_WEIGHTS = ("*.safetensors", "config.json", "tokenizer.json")


@dataclass(frozen=True)
class Identity:
    """`knobs` are flat, `parents` and `data` are hashes by name; `unset` are the knobs that stand
    at their defaults.

    >>> Identity({"optimizer.lr": 1e-4, "refill": None}, {"base": "9f2c..."},
    ...          {"problems.jsonl": "77ab..."}, frozenset({"refill"}))
    """

    knobs: Mapping[str, Any]
    parents: Mapping[str, str]
    data: Mapping[str, str]
    unset: frozenset[str] = frozenset()

    def changes(self, before: Mapping[str, Any]) -> list[str]:
        """What differs from an identity as the manifest holds it, in words; [] for nothing.

        A knob that there was not yet, at its default, is no difference.
        """
        return [
            f"{name} {_shown(old)} -> {_shown(new)}"
            if part == "knobs"
            else f"{name} is another {'checkpoint' if part == 'parents' else 'file'}"
            for part, now in self.plain().items()
            for name in dict.fromkeys([*before[part], *now])
            if (old := before[part].get(name)) != (new := now.get(name))
            and not (part == "knobs" and name not in before[part] and name in self.unset)
        ]

    def plain(self) -> dict[str, Any]:
        """As the manifest holds it."""
        told = {name: dict(part) for name, part in asdict(self).items() if name != "unset"}
        plain: dict[str, Any] = json.loads(json.dumps(told, default=str))
        return plain


def identity(
    stage: AnyStage,
    recipe: Recipe,
    weights: Mapping[str, str],
    written: Mapping[str, str] = MappingProxyType({}),
) -> Identity:
    """The identity of `stage`; `weights` are the hashes of its parents' checkpoints by name, and
    `written` those of files that stages before it wrote."""
    read = json.loads(recipe.model_dump_json(include={"seed", *stage.reads}))
    own = json.loads(stage.model_dump_json(exclude=FREE))
    # What a stage brings itself goes before what the recipe lends to all.
    replaced = {"rewards"} if own.get("domains") is not None else set()
    lent = {n: value for n, value in read.items() if own.get(n) is None and n not in replaced}
    brought = {name: value for name, value in own.items() if value is not None or name not in read}
    gate = _compared_with(stage, recipe)
    sources = [getattr(stage, "data", None) or recipe.data, getattr(stage, "beside", None), *gate]
    named = [getattr(one, key, None) for one in sources for key in ("path", "held_out_path")]
    files = [Path(path) for path in named if path]
    return Identity(
        dict(_flat({**lent, **brought, **_begun(stage), **_kept_out(gate)})),
        dict(weights),
        {
            **{str(file): file_hash(file) for file in files if file.is_file()},
            **_tokenizer(stage),
            **written,
        },
        frozenset({*_at_default(recipe), *_at_default(stage)}),
    )


def _at_default(section: Section, prefix: str = "") -> Iterator[str]:
    """The flat names of all knobs in `section` that have their default."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _at_default(value, f"{prefix}{name}.")
        elif value == field.get_default(call_default_factory=True):
            yield prefix + name


def _tokenizer(stage: AnyStage) -> dict[str, str]:
    """The tokenizer that a pretrain stage takes, by its bytes alone, wherever it lies."""
    if not isinstance(stage, Pretrain) or stage.tokenizer is None:
        return {}
    folder = shipped_model(stage.tokenizer) or Path(stage.tokenizer)
    file = folder / "tokenizer.json"
    return {"tokenizer": file_hash(file)} if file.is_file() else {}


def _compared_with(stage: AnyStage, recipe: Recipe) -> list[Data]:
    """The problems of evaluations that a stage keeps out of what it writes, where they are not the
    recipe's own."""
    if not isinstance(stage, Drawn):
        return []
    evaluations = [other for other in recipe.stages if isinstance(other, Evaluate)]
    return [evaluation.data for evaluation in evaluations if evaluation.data]


def _kept_out(gate: list[Data]) -> dict[str, Any]:
    return {"kept_out": [data.model_dump(mode="json") for data in gate]} if gate else {}


def _begun(stage: AnyStage) -> dict[str, int]:
    """The steps at which domains come: with more `steps` they come later, and what was done
    already had other prompts."""
    if not isinstance(stage, Rl) or stage.domains is None:
        return {}
    later = {name: domain for name, domain in stage.domains.items() if domain.after > 0}
    return {f"domains.{name}.first_step": one.first(stage.steps) for name, one in later.items()}


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
