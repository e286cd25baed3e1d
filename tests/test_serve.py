"""`grpo serve` with vLLM's real server on a checkpoint of a run, and those who ask it: OpenAI's own
client and `grpo eval --endpoint`, through the server's death as well.

The checkpoint is the shipped base with its tags made special tokens, which vLLM would hide.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest
import tiny_run
from typer.testing import CliRunner, Result

from grpo import cli
from grpo.checkpoint.mark import write_mark
from grpo.eval import shelf
from grpo.eval.result import read_result
from grpo.eval.shelf import Shelf
from grpo.recipe.load import dump_recipe, parse_recipe
from grpo.recipe.shipped import shipped_model

pytestmark = pytest.mark.slow

RECIPE = """\
name: x
model: {path: tiny-base}
data: {path: "tiny:chain", size: 80}
rewards: {accuracy: 1}
sampler: {kv_cache_gib: 0.05, max_num_seqs: 8}
runtime: {threads: 1}
stages:
  - {kind: rl, name: zero, steps: 3}
"""
TAGS = ("<think>", "</think>", "<answer>", "</answer>")
SAMPLES = 12 * 2


class Serving:
    """`grpo serve` as a process; `vllm` is the process that it watches."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._folder = folder
        self.process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def running(self) -> "Serving":
        if self.process is None or self.process.poll() is not None:
            words = ("serve", "runs/x:zero", "--port", self.port)
            self.process = tiny_run.started(*words, cwd=self._folder)
            assert self.process.stdout is not None
            said = [self.process.stdout.readline() for _ in range(2)]
            assert said == [
                "starting vLLM's server on x:zero\n",
                f"x:zero is at {self.url}; Ctrl-C ends it\n",
            ]
        return self

    @property
    def vllm(self) -> psutil.Process:
        assert self.process is not None
        (child,) = psutil.Process(self.process.pid).children()
        return child

    def answered(self) -> int:
        """How many requests it has answered since it started."""
        with urllib.request.urlopen(self.url.removesuffix("v1") + "metrics") as reply:
            found = re.findall(r"^vllm:request_success_total\{.*\} (\S+)$", reply.read().decode(),
                               re.MULTILINE)  # fmt: skip
        return round(sum(map(float, found)))

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.communicate(timeout=60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run `runs/x` with a checkpoint of its stage `zero`, and twelve questions."""
    folder = tmp_path_factory.mktemp("serve")
    checkpoint = folder / "runs/x/checkpoints/zero/step-000003"
    base = shipped_model("tiny-base")
    assert base is not None
    shutil.copytree(base, checkpoint)
    tokenizer = json.loads((checkpoint / "tokenizer.json").read_text())
    for token in tokenizer["added_tokens"]:
        token["special"] |= token["content"] in TAGS
    (checkpoint / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False))
    write_mark(checkpoint, None)
    stages = {"zero": {"checkpoint": "checkpoints/zero/step-000003"}}
    (folder / "runs/x/manifest.json").write_text(json.dumps({"stages": stages}))
    (folder / "runs/x/recipe.yaml").write_text(dump_recipe(parse_recipe(RECIPE)))
    rows = [{"question": f"{n} + {n} - 1 = ?", "answer": str(2 * n - 1)} for n in range(1, 13)]
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def serving(folder: Path) -> Iterator[Serving]:
    one = Serving(folder)
    yield one
    one.stop()


@pytest.fixture
def client(serving: Serving) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=serving.running().url, api_key="none", max_retries=0) as client:
        yield client


def evaluated(folder: Path, out: str, *words: object) -> Result:
    """`grpo eval` on the twelve questions, put and sampled alike whoever answers."""
    knobs = ("--prompt", "{question}", "--temperature", 0.6, "--top-p", 0.95, "--max-tokens", 48)
    asked = ("--data", folder / "sums.jsonl", "-k", 2, *knobs, "--out", folder / out)
    return CliRunner().invoke(cli.app, ["eval", *map(str, words), *map(str, asked)])


def drawn(folder: Path) -> list[Any]:
    return [
        (r.key, r.seed, r.completion, r.tokens, r.finish_reason) for r in read_result(folder).rows
    ]


def test_a_plain_client_sees_the_tags(client: openai.OpenAI) -> None:
    (model,) = client.models.list().data
    assert (model.id, model.model_extra["max_model_len"]) == ("x:zero", 1024)  # type: ignore[index]

    def texts(**extra: Any) -> list[str]:
        done = client.chat.completions.create(
            model="x:zero",
            messages=[{"role": "user", "content": "3 + 4 - 2 = ?"}],
            n=24,
            seed=1,
            max_tokens=64,
            extra_body=extra,
        )
        return [choice.message.content or "" for choice in done.choices]

    shown, hidden = texts(), texts(skip_special_tokens=True)
    assert any("</answer>" in text for text in shown)
    assert not any(tag in text for text in hidden for tag in TAGS)
    # The same answers otherwise, and no token of the template among them.
    assert [re.sub("|".join(TAGS), "", text) for text in shown] == hidden
    assert not any("<|" in text for text in shown)


def test_a_request_that_says_nothing_is_sampled_as_r1_was(client: openai.OpenAI) -> None:
    ask = {"model": "x:zero", "messages": [{"role": "user", "content": "3 + 4 = ?"}],
           "seed": 3, "max_tokens": 32, "logprobs": True}  # fmt: skip

    def probabilities(**changes: Any) -> Any:
        choice = client.chat.completions.create(**ask, **changes).choices[0]
        return [(step.token, step.logprob) for step in choice.logprobs.content]

    assert probabilities() == probabilities(temperature=0.6, top_p=0.95)
    assert probabilities() != probabilities(temperature=1.0, top_p=0.95)


def test_an_answer_can_be_begun(client: openai.OpenAI) -> None:
    begun = [{"role": "user", "content": "3 + 4 = ?"}, {"role": "assistant", "content": "<think>"}]
    done = client.chat.completions.create(
        model="x:zero",
        messages=begun,  # type: ignore[arg-type]
        seed=1,
        max_tokens=64,
        extra_body={"add_generation_prompt": False, "continue_final_message": True},
    )
    text = done.choices[0].message.content or ""
    assert "</think>" in text and not text.startswith("<think>")


def test_an_evaluation_of_what_is_served_is_that_of_the_checkpoint(
    serving: Serving, folder: Path
) -> None:
    served = evaluated(folder, "served", "--endpoint", serving.running().url)
    assert served.exit_code == 0, served.output
    knobs = ("--prompt", "{question}", "--temperature", 0.6, "--top-p", 0.95, "--max-tokens", 48)
    local = tiny_run.grpo(
        "eval", folder / "runs/x/checkpoints/zero/step-000003", "--data", folder / "sums.jsonl",
        "-k", 2, *knobs, "--out", folder / "local",
    )  # fmt: skip
    assert local.code == 0, local.err
    # The same seeds, so the same answers: the server has the engine's settings.
    assert drawn(folder / "served") == drawn(folder / "local")
    ours, theirs = (read_result(folder / name) for name in ("served", "local"))
    for a, b in zip(ours.rows, theirs.rows, strict=True):
        assert a.logprob == pytest.approx(b.logprob, abs=1e-4)
    assert ours.results["checkpoint"] == {"endpoint": serving.url, "model": "x:zero"}
    assert ours.results["engine"]["completion_tokens"] == sum(row.tokens for row in ours.rows)
    assert any("</answer>" in row.completion for row in ours.rows)


def test_a_server_that_is_killed_and_comes_back_costs_no_answer(
    serving: Serving, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serving.running()
    words = ("--endpoint", server.url, "--concurrency", 4, "--retries", 1)
    write, pieces = shelf.write_rows, iter(range(1, 10**9))

    def killing(path: Path, rows: Any) -> None:
        write(path, rows)
        if next(pieces) == 2:
            os.killpg(server.vllm.pid, signal.SIGKILL)

    with monkeypatch.context() as patched:
        patched.setattr(shelf, "PIECE_ROWS", 4)
        patched.setattr(shelf, "write_rows", killing)
        died = evaluated(folder, "killed", *words)
    assert died.exit_code == 2, died.output
    assert died.stderr.startswith(f"error: {server.url} ")
    assert died.stderr.endswith("; once it answers, the same command goes on\n")
    assert died.stderr.count("\n") == 1
    assert server.process is not None and server.process.wait(30) == 128 + signal.SIGKILL
    kept = {row.key: row for row in Shelf(folder / "killed").rows()}
    assert 8 <= len(kept) < SAMPLES

    server.running()
    before = server.answered()
    again = evaluated(folder, "killed", *words)
    assert again.exit_code == 0, again.output
    assert server.answered() - before == SAMPLES - len(kept)
    result = read_result(folder / "killed")
    assert result.results["samples_kept"] == len(kept)
    final = {row.key: row for row in result.rows}
    assert {key: final[key] for key in kept} == kept
    assert drawn(folder / "killed") == drawn(folder / "served")


def test_ctrl_c_ends_it_in_the_middle_of_an_answer(serving: Serving, client: openai.OpenAI) -> None:
    process, vllm = serving.running().process, serving.vllm
    assert process is not None
    started = [vllm, *vllm.children(recursive=True)]

    ends: list[str] = []

    def ask() -> None:
        try:
            done = client.chat.completions.create(
                model="x:zero",
                messages=[{"role": "user", "content": "3 + 4 = ?"}],
                extra_body={"min_tokens": 1000, "max_tokens": 1000},
            )
            ends.append(done.choices[0].finish_reason)
        except openai.APIError:
            ends.append("error")

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    asking.join(30)
    assert ends in (["abort"], ["error"])
    assert process.returncode == 0
    # Libraries greet on stderr, as Triton does where there is no GPU: no failure is among that.
    assert "Traceback" not in errors and "error" not in errors.lower()
    assert not [one for one in started if one.is_running() and one.status() != "zombie"]
