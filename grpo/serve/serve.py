"""`grpo serve`: a checkpoint behind vLLM's OpenAI server, until Ctrl-C."""

import http.client
import os
import socket
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from grpo.errors import UserError
from grpo.machine import machine_of
from grpo.model.load import base_folder
from grpo.recipe.load import recipe_above
from grpo.recipe.sections import Model
from grpo.sampler.preflight import read_config, refuse
from grpo.serve.command import computes_on_cpu, server_command, server_environment
from grpo.serve.process import watch

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_ASK_S = 2.0


def serve_checkpoint(
    checkpoint: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    name: str | None = None,
    dtype: str | None = None,
    overrides: Sequence[str] = (),
) -> int:
    """Serve `checkpoint` under `name` until the server ends or is told to; its exit code.

    `overrides` are knobs of model, sampler and runtime as in a recipe. Raises UserError for a
    checkpoint that vLLM would bend or refuse, and an address that cannot be had.
    """
    cpu, folder = computes_on_cpu(), base_folder(Model(path=checkpoint))
    usual = {"dtype": dtype} if dtype else {}
    machine = machine_of(recipe_above(folder), folder, **_alone(cpu=cpu), **usual)
    machine = machine.changed(overrides)
    refuse(read_config(folder), machine.sampler, cpu=cpu)
    called = name or served_name(checkpoint, folder)
    command = server_command(str(folder), machine, cpu=cpu, host=host, port=port, name=called)
    _check_free(host, port)
    console, reached = Console(highlight=False), _EVERYWHERE.get(host, host)
    ready = f"{called} is at http://{_in_url(reached)}:{port}/v1; Ctrl-C ends it"
    console.print(Text(f"starting vLLM's server on {called}"), soft_wrap=True)
    return watch(
        command,
        server_environment(os.environ, machine, cpu=cpu),
        lambda: _is_well(reached, port),
        lambda: console.print(Text(ready), soft_wrap=True),
        aloud="VLLM_LOGGING_LEVEL" in os.environ,
    )


def _alone(*, cpu: bool) -> dict[str, Any]:
    """What differs from an engine that shares its machine with a trainer and takes its weights."""
    if cpu:
        return {"engine": "vllm", "draft_tokens": 0}
    return {"engine": "vllm", "gpu_memory_utilization": 0.9, "enforce_eager": False}


def served_name(checkpoint: str, folder: Path) -> str:
    """What clients call the model: RUN:STAGE, a folder's own name, or the name that was given.

    >>> served_name("runs/x:zero", Path("runs/x/checkpoints/zero/step-000300"))
    'x:zero'
    """
    here = folder.resolve()
    if here.parent.parent.name == "checkpoints":
        return f"{here.parents[2].name}:{here.parent.name}"
    return here.name if Path(checkpoint).is_dir() else checkpoint


def _check_free(host: str, port: int) -> None:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with closing(socket.socket(family, socket.SOCK_STREAM)) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
    except OSError as error:
        raise UserError(
            f"cannot serve at {host}:{port}: {error.strerror or error}; give another --port, or "
            "another --host"
        ) from error


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_well(host: str, port: int) -> bool:
    try:
        with closing(http.client.HTTPConnection(host, port, timeout=_ASK_S)) as server:
            server.request("GET", "/health")
            return server.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
