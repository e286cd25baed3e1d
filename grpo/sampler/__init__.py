"""Samplers: what draws completions from the policy, and the gate that proves it is the policy.

Importing this package loads neither vLLM nor a model; `open_sampler` does. How the trainer scores
completions is not here: the two engines do not know each other, only their numbers meet.
"""

from pathlib import Path
from typing import Any

from grpo.recipe.sections import SamplerConfig
from grpo.sampler.drafting import ACCEPTANCE
from grpo.sampler.parity import ParityError, ParityReport, draft_gate, parity_gate
from grpo.sampler.protocol import Sampler
from grpo.sampler.seeds import request_seed

__all__ = [
    "ACCEPTANCE",
    "ParityError",
    "ParityReport",
    "Sampler",
    "check_sampled",
    "draft_gate",
    "open_sampler",
    "parity_gate",
    "request_seed",
]


def check_sampled(checkpoint: Path, config: SamplerConfig) -> None:
    """Raises UserError where the engine would refuse the checkpoint folder, without starting it."""
    if config.engine == "vllm":
        from grpo.sampler.preflight import read_config, refuse
        from grpo.sampler.vllm_adapter import on_cpu

        refuse(read_config(checkpoint), config, cpu=on_cpu())


def open_sampler(
    checkpoint: Path, config: SamplerConfig, *, model: Any = None, tokenizer: Any = None
) -> Sampler:
    """Starts the engine the recipe names on the checkpoint folder.

    `model` and `tokenizer` are for the plain engine: given a model, it samples from that very
    object (so a sync has nothing to copy); without one, it loads its own from the checkpoint.
    vLLM reads both from the folder. Raises UserError where the checkpoint and the engine do not
    go together.
    """
    if config.engine == "vllm":
        from grpo.sampler.vllm import VllmSampler

        return VllmSampler(checkpoint, config)
    from grpo.sampler.plain import PlainSampler

    return PlainSampler.open(checkpoint, config, model=model, tokenizer=tokenizer)
