"""`grpo eval --endpoint` as a command, against a real HTTP server of our own: what a death or an
interruption costs, what is written down, what is refused.
"""

import json
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tiny_run
from small_endpoint import DROP, Reply, chat, serving
from typer.testing import CliRunner, Result

from grpo import cli
from grpo.eval.result import read_result
from grpo.eval.shelf import Shelf


def question(request: Any) -> str:
    return str(request["messages"][-1]["content"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [{"question": f"{n} + {n} = ?", "answer": str(2 * n)} for n in range(1, 13)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def grpo(*words: object) -> Result:
    return CliRunner().invoke(cli.app, [str(word) for word in words], env={"COLUMNS": "80"})


def solve(_: int, request: Any) -> Reply:
    number = int(question(request).split()[0])
    return chat(f"so \\boxed{{{2 * number}}}")


def dying(after: int) -> Callable[[int, Any], Reply | str]:
    return lambda number, request: solve(0, request) if number < after else DROP


def numbers(requests: Sequence[Any]) -> list[int]:
    return sorted(int(question(request).split()[0]) for request in requests)


def test_an_endpoint_that_dies_half_way_loses_nothing(folder: Path) -> None:
    words = ["eval", "--data", "sums.jsonl", "-k", 1, "--out", "r", "--retries", 1,
             "--concurrency", 2]  # fmt: skip
    with serving(dying(after=5)) as server:
        died = grpo(*words, "--endpoint", server.url)
        port = server.server_port
    assert died.exit_code == 2, died.output
    assert died.stderr.startswith(f"error: {server.url} cannot be reached in 2 tries (")
    assert died.stderr.endswith("; once it answers, the same command goes on\n")
    assert died.stderr.count("\n") == 1
    kept = {row.question_id: row for row in Shelf(Path("r")).rows()}
    assert len(kept) == 5
    answered = numbers(server.requests[:5])

    with serving(solve, port=port) as server:
        again = grpo(*words, "--endpoint", server.url)
    assert again.exit_code == 0, again.output
    assert numbers(server.requests) == sorted(set(range(1, 13)) - set(answered))
    result = read_result(Path("r"))
    assert result.results["samples_kept"] == 5
    assert result.results["benchmarks"]["sums"]["avg"]["value"] == 1.0
    assert result.results["checkpoint"] == {"endpoint": server.url, "model": "m"}
    # 7 requests of 5 and 3 tokens
    found = {"engine": "endpoint", "prompt_tokens": 35, "completion_tokens": 21, "retries": 0}
    assert result.results["engine"] == found
    assert [row for row in result.rows if row.question_id in kept] == [
        kept[row.question_id] for row in result.rows if row.question_id in kept
    ]
    assert {(row.tokens, row.logprob, row.finish_reason) for row in result.rows} == {
        (3, None, "stop")
    }


@pytest.mark.slow
def test_an_interruption_waits_for_nobody_and_keeps_what_was_answered(
    folder: Path, pool: ThreadPoolExecutor
) -> None:
    list(pool.map(interrupted, [signal.SIGINT, signal.SIGTERM]))


def interrupted(sent: signal.Signals) -> None:
    """An evaluation that is sent the signal when 5 of its 12 requests are answered."""
    held = threading.Event()

    def reply(number: int, request: Any) -> Reply:
        if number >= 5:
            held.wait(60)
        return solve(0, request)

    with serving(reply) as server:
        words = ["eval", "--endpoint", server.url, "--data", "sums.jsonl", "-k", "1",
                 "--out", sent.name]  # fmt: skip
        process = tiny_run.started(*words)
        while len(server.requests) < 12:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        time.sleep(1)
        begun = time.monotonic()
        process.send_signal(sent)
        _, errors = process.communicate(timeout=60)
        assert time.monotonic() - begun < 30
        held.set()
    assert process.returncode == 130
    assert errors == f"interrupted\ngo on with: grpo {' '.join(words)}\n"
    assert len(Shelf(Path(sent.name)).rows()) == 5


def test_a_key_is_sent_and_written_nowhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-secret")
    with serving(solve) as server:
        done = grpo("eval", "--endpoint", server.url, "--model", "m", "--api-key-env", "MY_KEY",
                    "--data", "sums.jsonl", "-k", 1, "--limit", 2)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert {one["authorization"] for one in server.headers} == {"Bearer sk-secret"}
    (result,) = Path("runs/eval").iterdir()
    assert result.name.startswith("m-")
    files = [path for path in result.rglob("*") if path.is_file()]
    assert not [path for path in files if b"sk-secret" in path.read_bytes()]
    assert "sk-secret" not in done.output
    assert "max_tokens" not in str(json.loads((result / "results.json").read_text())["deviations"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "say what to score: a checkpoint, or --endpoint URL"),
        (("tiny-base", "--endpoint", "{url}"), "name one to score: the checkpoint 'tiny-base' or"),
        (("--endpoint", "ftp://x"), "--endpoint 'ftp://x' is no address; write http://127"),
        (("--endpoint", "{url}", "--engine", "plain"), "--engine is of a local checkpoint"),
        (("--endpoint", "{url}", "--api-key-env", "NO_KEY"), "--api-key-env NO_KEY: there is no"),
        (("--endpoint", "{url}", "model.dtype=float32"), "'model.dtype=float32' speaks of a local"),
        (("--endpoint", "{url}", "--no-chat"), "an endpoint is asked in chat: --no-chat needs a"),
        (
            ("--endpoint", "{url}", "--prefill", "<think>"),
            "{url} is no vLLM server, so how its ans",
        ),
        (("--endpoint", "http://127.0.0.1:1", "--retries", "0"), "http://127.0.0.1:1/v1 cannot be"),
    ],
)
def test_bad_input_is_one_sentence(folder: Path, words: tuple[str, ...], sentence: str) -> None:
    with serving(solve) as server:
        told = [word.replace("{url}", server.url) for word in words]
        done = grpo("eval", *told, "--data", "sums.jsonl")
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith(f"error: {sentence.replace('{url}', server.url)}")
    assert done.stderr.count("\n") == 1
    assert server.requests == []


def test_an_endpoint_has_no_problems_of_its_own(folder: Path) -> None:
    with serving(solve) as server:
        done = grpo("eval", "--endpoint", server.url)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: say what to ask the endpoint: --benchmarks gsm8k")
