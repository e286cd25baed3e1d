"""Hostile completions: they are refused or killed, cost their neighbours nothing, leave nothing."""

import os
import resource
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grpo_rewards import Scorer, Verdict
from grpo_rewards.accuracy import accuracy
from grpo_rewards.verdict import Sample

pytestmark = pytest.mark.slow

DEADLINE_S = 3.0
GOOD = "<think>3 + 4 = 7</think><answer>7</answer>"

TRAP = "grpo_reward_trap"
"""The file that evaluated text would make, in the working directory."""

TOUCH = f"open('{TRAP}','w')"

HOSTILE = [
    "2^{2^{36}}",
    "99999999!",
    "\\binom{10^8}{5\\cdot 10^7}",
    "(" * 1_000_000,
    "{" * 10_000 + "}" * 10_000,
    "7\x00\x00\x00" * 100,
    "\u202e7\u202d\u2066!!!!\u2069",
    f"__import__('os').system('touch {TRAP}')",
]
INJECTIONS = [
    TOUCH,
    f"\\text{{{TOUCH}}}",
    f"x.__class__.__bases__[0].__subclasses__()[0]({TOUCH})",
    f"().__class__.__base__.__subclasses__()[-1].__init__.__globals__['open']('{TRAP}','w')",
    f"sympify(\"{TOUCH}\")",
    f"lambda x: {TOUCH}",
    f"eval(compile(\"{TOUCH}\",'a','exec'))",
    f"getattr(__builtins__,'exec')(\"{TOUCH}\")",
    f"f\"{{{TOUCH}}}\"",
    f"\\operatorname{{exec}}({TOUCH})",
    f"Function('{TOUCH}')(1)",
    f"\\input{{{TRAP}}}",
    f"\\immediate\\write18{{touch {TRAP}}}",
]  # fmt: skip

MISBEHAVING = """
import ctypes, os, signal, sys, time

class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no words")

def odd(completions, **columns):
    out = []
    for text in completions:
        if text == "raise":
            raise Mute
        if text == "cancel":
            import asyncio
            raise asyncio.CancelledError
        if text == "interrupt":
            raise KeyboardInterrupt
        if text == "deep":
            odd(completions)
        if text == "exit":
            os._exit(0)
        if text == "segfault":
            ctypes.string_at(0)
        if text == "abort":
            os.kill(os.getpid(), 40)  # a signal without a name
        if text == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        if text == "hang":
            while True:
                pass
        if text == "deaf":
            signal.signal(signal.SIGPROF, signal.SIG_IGN)
            while True:
                pass
        if text == "memory":
            hoard = [bytearray(2**20) for _ in range(2**20)]
        if text == "close":
            os.closerange(3, 100)
        if text == "babble":
            for fd in range(3, 100):
                try:
                    os.write(fd, b"\\x00\\x00\\x00\\x02[1")
                except OSError:
                    pass
        values = {"nan": float("nan"), "text": "1.0", "huge": 10**400, "list": [1]}
        out.append(values.get(text, 0.5))
    if "set" in completions:
        return set(out)
    return 1.0 if "number" in completions else out
"""
ERRORS = ["raise", "cancel", "interrupt", "deep", "exit", "segfault", "abort", "memory", "close",
          "nan", "text", "huge", "list", "set", "number"]  # fmt: skip
TIMEOUTS = ["hang", "deaf", "stop"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory in which anything evaluated would leave its trap, and a temporary
    folder that nobody else writes to."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    (tmp_path / "mine.py").write_text(MISBEHAVING)
    return tmp_path


def score(scorer: Scorer, texts: list[str]) -> list[Verdict]:
    return scorer.score(["q"] * len(texts), texts, [{"answer": "7"}] * len(texts))


def answered(text: str) -> str:
    return f"<think>a</think><answer>{text}</answer>"


def mixed(hostile: list[str]) -> list[str]:
    """56 good completions with the hostile ones spread among them."""
    texts = [GOOD] * 56
    for at, answer in enumerate(hostile):
        texts.insert(at * 8, answered(answer))
    return texts


def test_eight_hostile_of_sixty_four_cost_less_than_two_deadlines() -> None:
    texts = mixed(HOSTILE)
    with Scorer({"accuracy": 1.0, "accuracy_lenient": 0.0}, deadline_s=DEADLINE_S) as scorer:
        began = time.monotonic()
        score(scorer, [GOOD] * 64)
        without = time.monotonic() - began
        verdicts = score(scorer, texts)
        assert time.monotonic() - began - without < without + 2 * DEADLINE_S
    for text, one in zip(texts, verdicts, strict=True):
        assert one.parts["accuracy"] == (1.0 if text == GOOD else 0.0)
        assert one.outcomes["accuracy"] == ("correct" if text == GOOD else "unparseable")
    assert not Path(TRAP).exists()


def test_nothing_in_a_completion_is_evaluated() -> None:
    texts = [answered(text) for text in INJECTIONS] + [f"\\boxed{{{text}}}" for text in INJECTIONS]
    for text in texts:
        judged = accuracy().quick(Sample("q", text, {"answer": "7"}))
        full = accuracy().full
        assert full is not None
        assert (judged or full(Sample("q", text, {"answer": "7"}))).outcome != "correct"
        assert not Path(TRAP).exists(), text
    with Scorer({"accuracy": 1.0, "accuracy_lenient": 1.0, "format": 0.0}) as scorer:
        assert {one.reward for one in score(scorer, texts)} == {0.0}
    assert not Path(TRAP).exists()


def test_a_worker_s_memory_is_bounded(folder: Path) -> None:
    (folder / "hoard.py").write_text(
        "def taken(completions, **columns):\n"
        "    held = []\n"
        "    try:\n"
        "        while True:\n"
        "            held.append(bytearray(2**20))\n"
        "    except MemoryError:\n"
        "        mib = len(held)\n"
        "        held.clear()\n"
        "    return [mib]\n"
    )
    with Scorer({"hoard.py:taken": 1.0}, workers=1, memory_mb=256) as scorer:
        (one,) = score(scorer, ["a"])
    assert one.reward is not None and 100 < one.reward <= 256


NAME = "mine.py:odd"


@pytest.mark.parametrize("text", [*ERRORS, *TIMEOUTS, "babble"])
def test_whatever_a_function_does_costs_one_sample(text: str) -> None:
    rewards = {NAME: 1.0, "format": 0.5}
    with Scorer(rewards, workers=1, deadline_s=0.15, memory_mb=64) as scorer:
        verdicts = score(scorer, ["a", text, GOOD])
        assert scorer.messages
    outcome = "timeout" if text in TIMEOUTS else "error"
    assert [one.outcomes[NAME] for one in verdicts] == ["correct", outcome, "correct"]
    assert [one.parts[NAME] for one in verdicts] == [0.5, None, 0.5]
    assert [one.reward for one in verdicts] == [0.5, 0.0, 1.0]


QUICK_ERRORS = [text for text in ERRORS if text not in ("deep", "memory")]


@settings(max_examples=12, deadline=None, derandomize=True, database=None)
@given(st.lists(st.sampled_from(["a", "a", "a", "hang", *QUICK_ERRORS]), min_size=1, max_size=6))
def test_any_row_of_failures_is_judged_row_by_row_and_the_workers_go_on(texts: list[str]) -> None:
    with Scorer({NAME: 1.0}, workers=2, deadline_s=0.1) as scorer:
        verdicts = score(scorer, [*texts, "a"])
        outcomes = {"a": "correct", "hang": "timeout"}
        expected = [outcomes.get(text, "error") for text in [*texts, "a"]]
        assert [one.outcomes[NAME] for one in verdicts] == expected
        assert score(scorer, ["a", "b"])[1].reward == 0.5


class Left:
    """What this process holds: children, open files, files in the temporary folder, MiB."""

    def __init__(self) -> None:
        me = psutil.Process()
        self.children = len(me.children(recursive=True))
        self.open_files = len(os.listdir("/proc/self/fd"))
        self.files = {*os.listdir(tempfile.gettempdir()), *os.listdir()}
        self.mib = me.memory_info().rss / 2**20


def test_a_thousand_hostile_completions_leave_nothing() -> None:
    hostile = [answered(text) for text in (*HOSTILE, *INJECTIONS) * 3]
    with Scorer({"accuracy": 1.0, "format": 0.1}) as scorer:
        score(scorer, hostile)  # what is loaded once is loaded
    before = Left()
    with Scorer({"accuracy": 1.0, "format": 0.1}) as scorer:
        for _ in range(16):  # of 63 each
            assert not any(one.parts["accuracy"] for one in score(scorer, hostile))
    after = Left()
    assert (after.children, after.open_files) == (before.children, before.open_files)
    assert after.files <= before.files
    assert after.mib - before.mib < 50


def test_workers_that_are_killed_leave_nothing() -> None:
    texts = ["hang", "exit", "segfault", "memory", "a"] * 3
    with Scorer({NAME: 1.0}, deadline_s=0.1, memory_mb=128) as scorer:
        score(scorer, texts)
    _leave_nothing(texts, batches=2)


@pytest.mark.full
def test_a_thousand_killed_workers_leave_nothing() -> None:
    _leave_nothing(["exit", "segfault", "close", "hang"] * 24 + ["a"] * 4, batches=10)


def _leave_nothing(texts: list[str], batches: int) -> None:
    before, largest = Left(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with Scorer({NAME: 1.0}, deadline_s=0.1, memory_mb=128) as scorer:
        for _ in range(batches):
            verdicts = score(scorer, texts)
            assert [one.reward for one in verdicts] == [0.5 if t == "a" else None for t in texts]
        assert len(scorer.worker_pids) <= 2
    after = Left()
    assert (after.children, after.open_files) == (before.children, before.open_files)
    assert after.files <= before.files | {"__pycache__"}
    assert after.mib - before.mib < 50
    # KiB: below 1 GiB each, or no larger than the children of the tests before.
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss <= max(largest, 2**20)
