"""What a model runs on: for verbs that have no recipe a model, a sampler, a machine, each knob of
theirs settable as in a recipe; and for all of them how the process makes itself ready.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from grpo.errors import UserError
from grpo.memory import keep_freed_memory
from grpo.recipe.base import Section
from grpo.recipe.near import did_you_mean
from grpo.recipe.schema import Recipe
from grpo.recipe.sections import Model, Runtime, SamplerConfig
from grpo.sampler.preflight import model_dtype, read_config
from grpo.threads import use_threads


class Machine(Section):
    """The three sections of a recipe that say how a model is held and run."""

    model: Model
    sampler: SamplerConfig = SamplerConfig()
    runtime: Runtime = Runtime()

    def changed(self, overrides: Sequence[str]) -> "Machine":
        """With `sampler.KNOB=VALUE` and its like applied. Raises UserError for what is no such
        knob, or a value that it does not take."""
        tree = self.model_dump(mode="json")
        for word in overrides:
            section, knob, value = _parts(word)
            known = [f"{name}.{key}" for name in tree for key in tree[name]]
            if f"{section}.{knob}" not in known:
                near = did_you_mean(f"{section}.{knob}", known) if section else ""
                raise UserError(f"{word!r} is no knob of model, sampler or runtime{near}")
            tree[section][knob] = value
        try:
            # as JSON, because there strict means: "3" is never a number
            return Machine.model_validate_json(json.dumps(tree), strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise UserError(f"key {key!r}: {first['msg']}, got {first['input']!r}") from error


def machine_of(run: Recipe | None, folder: Path, **sampler: Any) -> Machine:
    """What the checkpoint's `run` had; else the checkpoint's own dtype. The window is the model's;
    knobs of the `sampler` that are given come first."""
    config = read_config(folder)
    dtype: Any = model_dtype(config)
    held = run.model if run and run.model else Model(path="", dtype=dtype)
    usual = run.sampler if run else SamplerConfig()
    window = config.get("max_position_embeddings") or usual.max_model_len
    return Machine(
        model=held.model_copy(update={"path": str(folder)}),
        sampler=usual.model_copy(update={"max_model_len": window, **sampler}),
        **({"runtime": run.runtime} if run else {}),
    )


def prepare_process(runtime: Runtime) -> None:
    """Memory and threads of this process as `runtime` has them; before its first tensor."""
    if runtime.keep_memory:
        keep_freed_memory()
    use_threads(runtime.threads)


def _parts(word: str) -> tuple[str, str, Any]:
    key, equals, text = word.partition("=")
    section, _, knob = key.partition(".")
    if not equals:
        raise UserError(f"{word!r} is no override; write sampler.kv_cache_gib=2")
    try:
        return section, knob, yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"override {word!r}: the value cannot be read") from error
