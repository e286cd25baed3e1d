"""`grpo serve` without vLLM: its command line, the process it watches, the layer that keeps special
tokens. The real server is test_serve.py's.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import tiny_run
from typer.testing import CliRunner

from grpo import cli
from grpo.errors import UserError
from grpo.machine import Machine, machine_of
from grpo.recipe.sections import Model, SamplerConfig
from grpo.recipe.shipped import shipped_model
from grpo.serve.command import server_command, server_environment
from grpo.serve.serve import served_name
from grpo.serve.special_tokens import KeepSpecialTokens

# --- the command ---


def machine(**sampler: Any) -> Machine:
    return Machine(model=Model(path="", dtype="float32"), sampler=SamplerConfig(**sampler))


def flags(**sampler: Any) -> dict[str, str]:
    words = server_command(
        "m", machine(**sampler), cpu=sampler.pop("cpu", True), host="h", port=1, name="n"
    )
    assert words[:3] == [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    found, last = {}, ""
    for word in words[3:]:
        if word.startswith("--"):
            last = word
            found[last] = ""
        else:
            found[last] = word
    return found


def test_the_server_is_told_what_the_engine_is() -> None:
    found = flags(max_model_len=512, kv_cache_gib=0.5, max_num_seqs=4)
    assert found["--model"] == "m" and found["--served-model-name"] == "n"
    assert found["--dtype"] == "float32"
    assert found["--max-model-len"] == "512"
    assert found["--kv-cache-memory-bytes"] == str(2**29)
    assert found["--logprobs-mode"] == "processed_logprobs"
    assert found["--generation-config"] == "vllm"
    assert json.loads(found["--override-generation-config"]) == {"temperature": 0.6, "top_p": 0.95}
    assert {"--enforce-eager", "--no-enable-chunked-prefill"} < found.keys()
    assert not {"--disable-log-stats", "--gpu-memory-utilization"} & found.keys()
    assert found["--middleware"] == "grpo.serve.special_tokens.KeepSpecialTokens"


def test_a_draft_is_refused_on_a_cpu_and_passed_on_to_a_gpu() -> None:
    with pytest.raises(UserError, match=r"sampler\.draft_tokens=1: vLLM's server draws"):
        flags(draft_tokens=1)
    words = server_command("m", machine(draft_tokens=1), cpu=False, host="h", port=1, name="n")
    draft = json.loads(words[words.index("--speculative-config") + 1])
    assert draft == {"method": "mtp", "num_speculative_tokens": 1}


def test_the_environment_is_the_user_s_where_the_user_has_set_it() -> None:
    before = {"VLLM_LOGGING_LEVEL": "INFO", "OMP_NUM_THREADS": "7", "HOME": "/h"}
    usual = server_environment(before, machine(), cpu=True)
    assert usual.items() > before.items()
    assert usual["VLLM_MLA_DISABLE"] == usual["TORCHDYNAMO_DISABLE"] == "1"
    two = machine().changed(["runtime.threads=2"])
    told = server_environment(before, two, cpu=True)
    assert (told["OMP_NUM_THREADS"], told["VLLM_CPU_OMP_THREADS_BIND"]) == ("2", "nobind")
    on_gpu = server_environment(before, two, cpu=False)
    assert not {"VLLM_MLA_DISABLE", "TORCHDYNAMO_DISABLE"} & on_gpu.keys()
    compiled = server_environment(before, machine(enforce_eager=False), cpu=True)
    assert "TORCHDYNAMO_DISABLE" not in compiled


def test_a_window_is_the_model_s_and_knobs_that_are_given_come_first() -> None:
    base = shipped_model("tiny-base")
    assert base is not None
    found = machine_of(None, base, dtype="bfloat16").sampler
    assert (found.max_model_len, found.dtype) == (1024, "bfloat16")


@pytest.mark.parametrize(
    ("checkpoint", "folder", "name"),
    [
        ("runs/x:zero", "runs/x/checkpoints/zero/step-000300", "x:zero"),
        ("tiny-base", "lib/models/tiny-base", "tiny-base"),
        ("OWNER/NAME", "cache/snapshots/3f2a", "OWNER/NAME"),
    ],
)
def test_a_model_is_called_as_people_call_it(checkpoint: str, folder: str, name: str) -> None:
    assert served_name(checkpoint, Path(folder)) == name


def test_a_folder_is_called_by_its_name(tmp_path: Path) -> None:
    assert served_name(str(tmp_path), tmp_path) == tmp_path.name


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--host", "no.such.host.invalid"), "cannot serve at no.such.host.invalid:8000: "),
        (("--port", "TAKEN"), "cannot serve at 127.0.0.1:TAKEN: Address already in use; give"),
        (("sampler.max_model_len=4096",), "sampler.max_model_len is 4096, and the model knows"),
        (("sampler.draft_tokens=1",), "sampler.draft_tokens=1: vLLM's server draws"),
        (("smapler.dtype=float32",), "'smapler.dtype=float32' is no knob of"),
    ],
)
def test_bad_input_is_one_sentence_before_a_server_starts(
    words: tuple[str, ...], sentence: str
) -> None:
    from small_endpoint import chat, serving

    with serving(lambda *_: chat("")) as taken:
        port = str(taken.server_port)
        asked = ("serve", "tiny-base", *(word.replace("TAKEN", port) for word in words))
        done = CliRunner().invoke(cli.app, asked)
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith(f"error: {sentence.replace('TAKEN', port)}")
    assert done.stderr.count("\n") == 1


# --- the process ---

WATCH = """\
import os, sys
import signal
from grpo.serve import process
# A shell starts what it puts in the background with Ctrl-C ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
process.GRACE_S = 0.5
sign, said = sys.argv[1], lambda: print("ready", flush=True)
command = [sys.executable, "-c", sys.argv[2], sign]
sys.exit(process.watch(command, {}, lambda: os.path.exists(sign), said))
"""
STUBBORN = """\
import os, signal, sys, time
signal.signal(signal.SIGINT, lambda *_: print('last words', flush=True))
os.fork()
print("at the start", flush=True)
open(sys.argv[1], "w").close()
time.sleep(2)
print(f"pid {os.getpid()}", flush=True)
time.sleep(60)
"""


def watching(code: str, sign: Path) -> "subprocess.Popen[str]":
    """A process that watches `code`, which is ready once the file `sign` is there."""
    return subprocess.Popen(
        [sys.executable, "-c", WATCH, str(sign), code],
        env={**os.environ, "PYTHONPATH": tiny_run.SOURCES},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_an_exit_code_is_passed_on_with_the_words_of_a_failure(tmp_path: Path) -> None:
    failing = "import sys; print('first', flush=True); sys.exit('no such model')"
    done = watching(failing, tmp_path / "never")
    out, err = done.communicate(timeout=60)
    assert (done.returncode, out, err) == (1, "", "first\nno such model\n")


def test_a_signal_is_passed_on_as_a_shell_has_it(tmp_path: Path) -> None:
    done = watching("import os; os.kill(os.getpid(), 9)", tmp_path / "never")
    done.communicate(timeout=60)
    assert done.returncode == 128 + signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_server_that_does_not_go_is_ended_with_all_it_started(name: str, tmp_path: Path) -> None:
    watcher = watching(STUBBORN, tmp_path / "sign")
    assert watcher.stdout is not None and watcher.stderr is not None
    assert watcher.stdout.readline() == "ready\n"
    # What came before it was ready is not shown; both of the fork speak afterwards.
    pids = [int(watcher.stderr.readline().removeprefix("pid ")) for _ in range(2)]
    watcher.send_signal(signal.Signals[name])
    out, err = watcher.communicate(timeout=60)
    assert (watcher.returncode, out, err) == (0, "", "")
    for pid in pids:
        assert not _lives(pid)


@pytest.mark.slow
def test_nohup_keeps_it_when_the_terminal_closes(tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    code = f"import time; open({str(sign)!r}, 'w').close(); time.sleep(3)"
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which a child inherits
    try:
        watcher = watching(code, sign)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert watcher.stdout is not None and watcher.stdout.readline() == "ready\n"
    watcher.send_signal(signal.SIGHUP)
    begun = time.monotonic()
    watcher.communicate(timeout=60)
    assert watcher.returncode == 0
    assert time.monotonic() - begun > 1  # to its own end


def _lives(pid: int) -> bool:
    """Whether it runs still; a corpse that nobody has fetched does not."""
    for _ in range(40):
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return False
        time.sleep(0.05)
    return True


# --- special tokens ---


def passed_on(body: bytes, path: str = "/v1/chat/completions") -> tuple[bytes, dict[bytes, bytes]]:
    """(body, headers) as the app behind the layer sees them; the request comes in two pieces."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        first = await receive()
        parts = [first["body"]]
        while first.get("more_body"):
            first = await receive()
            parts.append(first["body"])
        seen.extend((b"".join(parts), dict(scope["headers"]), await receive()))

    middle = len(body) // 2
    pieces = iter(
        [
            {"type": "http.request", "body": body[:middle], "more_body": True},
            {"type": "http.request", "body": body[middle:], "more_body": False},
            {"type": "http.disconnect"},
        ]
    )

    async def receive() -> Any:
        return next(pieces)

    headers = [(b"Content-Length", str(len(body)).encode()), (b"x-other", b"kept")]
    scope = {"type": "http", "path": path, "headers": headers}
    asyncio.run(KeepSpecialTokens(app)(scope, receive, None))
    assert seen[2] == {"type": "http.disconnect"}
    return seen[0], seen[1]


def test_a_request_that_says_nothing_keeps_special_tokens() -> None:
    body, headers = passed_on('{"messages": [{"content": "三加四"}], "n": 2}'.encode())
    asked = {"messages": [{"content": "三加四"}], "n": 2, "skip_special_tokens": False}
    assert json.loads(body) == asked
    assert headers == {b"content-length": str(len(body)).encode(), b"x-other": b"kept"}


@pytest.mark.parametrize(
    "body", [b'{"skip_special_tokens": true}', b'{"skip_special_tokens":null}', b"[1]", b"{no", b""]
)
def test_any_other_request_is_passed_on_as_it_is(body: bytes) -> None:
    assert passed_on(body)[0] == body


def test_other_paths_are_none_of_its_business() -> None:
    body, headers = passed_on(b'{"input": 1}', "/v1/embeddings")
    assert body == b'{"input": 1}'
    assert b"Content-Length" in headers
