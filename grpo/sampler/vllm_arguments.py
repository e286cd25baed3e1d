"""What vLLM is told about a checkpoint: alike for the engine in this process and for its server.

Names and values are public vLLM's (EngineArgs). The environment is left to whoever starts it.
"""

from pathlib import Path
from typing import Any

from grpo.recipe.sections import SamplerConfig

_BATCHED_TOKENS = 8192
_CPU_BLOCK_TOKENS = 32
"""The fewest that its attention takes. A group shares its prompt's full blocks alone, and in vLLM's
own blocks of 128 few prompts fill one."""


def engine_arguments(
    folder: Path | str, config: SamplerConfig, dtype: str, *, cpu: bool
) -> dict[str, Any]:
    """The engine's arguments for the checkpoint in `folder`; `cpu`: it computes on one."""
    arguments: dict[str, Any] = {
        "model": str(folder),
        "dtype": dtype,
        "max_model_len": config.max_model_len,
        "max_num_seqs": config.max_num_seqs,
        "max_num_batched_tokens": max(_BATCHED_TOKENS, config.max_model_len, config.max_num_seqs),
        "enforce_eager": config.enforce_eager,
        "tensor_parallel_size": config.tensor_parallel_size,
        "trust_remote_code": config.trust_remote_code,
        # The default, raw_logprobs, leaves the temperature out.
        "logprobs_mode": "processed_logprobs",
        # Else the checkpoint's own sampling defaults would bend the policy.
        "generation_config": "vllm",
        "disable_log_stats": not config.draft_tokens,
        "use_tqdm_on_load": False,
    }
    if config.draft_tokens:
        draft = {"method": "mtp", "num_speculative_tokens": config.draft_tokens}
        arguments["speculative_config"] = draft
    if config.routed_experts:
        # vLLM keeps the choice beside the blocks of its prefix cache.
        arguments |= {"enable_return_routed_experts": True, "enable_prefix_caching": True}
    return arguments | _cache(config, cpu=cpu)


def _cache(config: SamplerConfig, *, cpu: bool) -> dict[str, Any]:
    if not cpu:
        return {"gpu_memory_utilization": config.gpu_memory_utilization}
    # A prompt cut in two rewinds its request's generator, which a CPU generator cannot do.
    room = int(config.kv_cache_gib * 2**30)
    return {
        "kv_cache_memory_bytes": room,
        "block_size": _CPU_BLOCK_TOKENS,
        "enable_chunked_prefill": False,
    }
