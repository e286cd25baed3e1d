"""SIGTERM and Ctrl-C wait for the write in hand; a stop request is a flag first."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from grpo.checkpoint.signals import StopRequest, shielded

ROOT = Path(__file__).parents[1]

SLOW_SAVE = """
import signal, sys, time
from pathlib import Path
from grpo.checkpoint.store import CheckpointStore
signal.signal(signal.SIGINT, signal.default_int_handler)

def write(folder):
    (folder / "first").write_text("1")
    print("writing", flush=True)
    time.sleep(0.4)
    (folder / "second").write_text("2")

CheckpointStore(Path(sys.argv[1]), keep_last=1, keep_best=False).save(5, write)
print("went on", flush=True)
"""

LOOP = """
import signal, time
from grpo.checkpoint.signals import StopRequest
signal.signal(signal.SIGINT, signal.default_int_handler)

with StopRequest() as stop:
    print("training", flush=True)
    while not stop.requested:
        time.sleep(0.01)
    print("asked to stop", flush=True)
    time.sleep(30)  # a step that takes too long for the one who waits
"""


def start(program: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def caught() -> Iterator[list[int]]:
    """Signals that reach the handlers outside the shield."""
    numbers: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM)
    old = {n: signal.signal(n, lambda number, frame: numbers.append(number)) for n in signals}
    yield numbers
    for number, handler in old.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_real_signal_waits_for_the_save(tmp_path: Path, number: signal.Signals) -> None:
    process = start(SLOW_SAVE, str(tmp_path))
    assert line(process) == "writing"
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == -number
    assert out == ""  # it did not go on
    folder = tmp_path / "step-000005"
    assert sorted(path.name for path in folder.iterdir()) == ["COMPLETE.json", "first", "second"]


def test_the_second_ctrl_c_kills(tmp_path: Path) -> None:
    process = start(LOOP)
    assert line(process) == "training"
    process.send_signal(signal.SIGINT)
    assert line(process) == "asked to stop"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT


def test_shielded_delivers_each_signal_as_often_as_it_came(caught: list[int]) -> None:
    with shielded():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGTERM):
            signal.raise_signal(number)
        assert caught == []
    assert caught == [signal.SIGINT, signal.SIGTERM, signal.SIGTERM]
    signal.raise_signal(signal.SIGINT)  # the handlers are back
    assert caught[3:] == [signal.SIGINT]


def test_an_inner_shield_leaves_delivery_to_the_outer(caught: list[int]) -> None:
    with shielded():
        with shielded():
            signal.raise_signal(signal.SIGTERM)
        assert caught == []
    assert caught == [signal.SIGTERM]


def test_a_failing_write_still_delivers(caught: list[int]) -> None:
    with pytest.raises(OSError, match="mine"), shielded():
        signal.raise_signal(signal.SIGTERM)
        raise OSError("mine")
    assert caught == [signal.SIGTERM]


def test_a_delivery_that_raises_does_not_swallow_the_next(caught: list[int]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt), shielded():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    assert caught == [signal.SIGTERM]


def test_shielded_works_in_any_thread() -> None:
    done = []

    def work() -> None:
        with shielded():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


def test_stop_request_is_a_flag_and_only_sigint_ends_it(caught: list[int]) -> None:
    with StopRequest() as stop:
        assert not stop.requested
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert stop.requested and caught == []
        signal.raise_signal(signal.SIGINT)
        assert caught == [signal.SIGINT]
    signal.raise_signal(signal.SIGTERM)
    assert caught == [signal.SIGINT, signal.SIGTERM]


def test_a_stop_request_made_during_a_write_is_seen_after_it(caught: list[int]) -> None:
    with StopRequest() as stop:
        with shielded():
            signal.raise_signal(signal.SIGINT)
            assert not stop.requested
        assert stop.requested and caught == []
