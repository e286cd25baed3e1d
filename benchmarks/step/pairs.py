"""What `make bench` compares: the models, and the two sides' settings, a line each.

A knob of ours is a recipe's key; one of TRL's is GRPOConfig's, or from_pretrained's where it
begins with `model.`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from step.roof import machine_roof
from step.spec import Spec

FASTEST = "fastest"
"""The dtype in which this machine multiplies fastest: bfloat16 where it has units for it."""


@dataclass(frozen=True)
class Setting:
    """How a side holds the model, and what else it is told.

    >>> Setting("bfloat16", {"stages.zero.tokens_per_microbatch": "4096"})
    """

    dtype: str = "float32"
    knobs: Mapping[str, str] = field(default_factory=dict)
    processes: int = 1
    keep_memory: bool = False


@dataclass(frozen=True)
class Pair:
    """The two sides' settings. With `ends` the model's end token ends a completion; else all are
    as long as they may be, and both sides have the same tokens to draw and to learn from.

    >>> Pair(ours=Setting("bfloat16"), trl=Setting())
    """

    ours: Setting = Setting()
    trl: Setting = Setting()
    ends: bool = False


# Caches that hold the completions of 128 tokens, and prompts of as many again.
MODELS = {
    "tiny": Spec("data/models/tiny-base", "tiny:all", kv_cache_gib=0.25),
    # A quarter of the tiny base's completions: a step takes half a minute on two cores.
    "smollm2": Spec("models/smollm2-135m", "tiny:all", prompts=2, kv_cache_gib=0.25),
}

# The same numbers to rounding, sooner.
OURS = Setting(knobs={"sampler.enforce_eager": "false", "stages.zero.share_prompts": "true"})
# Two engines and two trainers, for a core each; TRL is slower so.
A_CORE_EACH = replace(OURS, dtype=FASTEST, processes=2)
# A group with its prompt: as fast as in one batch, and a third of the memory less.
SMALL_BATCHES = replace(OURS, knobs={**OURS.knobs, "stages.zero.tokens_per_microbatch": "1152"})
# TRL's process under what ours sets for itself (grpo/memory.py).
TRL_BEST = Setting(FASTEST, keep_memory=True)

PAIRS = {
    "tiny-float32": Pair(ours=OURS),
    "tiny-best": Pair(ours=A_CORE_EACH, trl=TRL_BEST),
    "tiny-ends": Pair(ours=A_CORE_EACH, trl=TRL_BEST, ends=True),
    "smollm2-float32": Pair(ours=SMALL_BATCHES),
    "smollm2-best": Pair(ours=replace(SMALL_BATCHES, dtype=FASTEST), trl=TRL_BEST),
}
"""By name: MODEL-WHAT."""


def sides(name: str, **changes: Any) -> dict[str, Spec]:
    """The specs of a pair's sides; `changes` are of both (steps, prompts, ...)."""
    pair, model = PAIRS[name], MODELS[name.partition("-")[0]]
    return {
        side: replace(model, **_held(setting) | changes)
        for side, setting in (("ours", pair.ours), ("trl", pair.trl))
    }


def _held(setting: Setting) -> dict[str, Any]:
    return {
        "dtype": _held_in(setting.dtype), "knobs": setting.knobs, "processes": setting.processes,
        "keep_memory": setting.keep_memory,
    }  # fmt: skip


def _held_in(dtype: str) -> str:
    if dtype != FASTEST:
        return dtype
    speeds = machine_roof()
    return max(("float32", "bfloat16"), key=lambda name: speeds[f"{name}_gflops"])
