"""metrics.jsonl, the stopwatch and the plain progress lines."""

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest

from grpo.metrics import MetricsFile
from grpo.progress import Progress
from grpo.timing import Stopwatch


@pytest.fixture
def metrics(tmp_path: Path) -> MetricsFile:
    file = MetricsFile(tmp_path / "run" / "metrics.jsonl")
    for step in range(3):
        file.append("tiny", step, {"loss": 1.0 / (step + 1)})
    return file


def lines(metrics: MetricsFile) -> list[dict[str, Any]]:
    return [json.loads(line) for line in metrics.path.read_text().splitlines()]


def test_a_line_a_step(metrics: MetricsFile) -> None:
    assert lines(metrics)[1] == {"stage": "tiny", "step": 1, "loss": 0.5}


def test_what_is_not_finite_is_null(metrics: MetricsFile) -> None:
    metrics.append("zero", 0, {"kl": math.nan, "ratio": math.inf, "reward": 0.25})
    assert lines(metrics)[-1] == {
        "stage": "zero", "step": 0, "kl": None, "ratio": None, "reward": 0.25,
    }  # fmt: skip


def test_numbers_come_back_to_the_last_bit(metrics: MetricsFile) -> None:
    metrics.append("zero", 0, {"loss": 0.1 + 0.2, "kl": 1e-300 / 3})
    assert lines(metrics)[-1]["loss"] == 0.1 + 0.2
    assert lines(metrics)[-1]["kl"] == 1e-300 / 3


def test_rewinding_forgets_the_steps_that_came_after(metrics: MetricsFile) -> None:
    before = metrics.path.read_bytes()
    metrics.append("tiny", 3, {"loss": 9.0})
    metrics.append("tiny", 4, {"loss": 8.0})
    metrics.rewind("tiny", 3)
    assert metrics.path.read_bytes() == before


def test_a_stage_that_begins_anew_forgets_its_lines_alone(metrics: MetricsFile) -> None:
    before = metrics.path.read_bytes()
    metrics.rewind("zero")
    assert metrics.path.read_bytes() == before
    metrics.append("zero", 0, {"loss": 2.0})
    metrics.append("zero-2", 0, {"loss": 2.0})
    metrics.append("zero", 1, {"loss": 1.0})
    metrics.rewind("zero")
    # A stage whose name begins alike is another stage, and what follows stays.
    assert [(line["stage"], line["step"]) for line in lines(metrics)] == [
        ("tiny", 0), ("tiny", 1), ("tiny", 2), ("zero-2", 0),
    ]  # fmt: skip
    metrics.rewind("tiny", 2)
    assert [line["stage"] for line in lines(metrics)] == ["tiny", "tiny", "zero-2"]


@pytest.mark.parametrize("torn", ['{"stage": "ze', '{"stage": "tiny", "step": 1, "loss": 1.0}'])
def test_a_line_that_was_cut_off_is_forgotten_too(metrics: MetricsFile, torn: str) -> None:
    before = metrics.path.read_bytes()
    with metrics.path.open("a") as file:
        file.write(torn)
    metrics.rewind("zero")
    assert metrics.path.read_bytes() == before


def test_an_open_file_goes_on_where_it_was(metrics: MetricsFile) -> None:
    again = MetricsFile(metrics.path)
    again.append("tiny", 3, {"loss": 0.25})
    assert [line["step"] for line in lines(metrics)] == [0, 1, 2, 3]


def test_the_stopwatch_adds_up_by_name_and_begins_anew() -> None:
    watch = Stopwatch()
    for _ in range(2):
        with watch("sampling"):
            time.sleep(0.01)
    with pytest.raises(RuntimeError), watch("rewards"):
        raise RuntimeError
    taken = watch.take()
    assert taken["time/sampling"] >= 0.02
    assert taken["time/step"] >= taken["time/sampling"] + taken["time/rewards"]
    assert set(watch.take()) == {"time/step"}


def test_without_a_terminal_there_are_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("zero", start=2, total=5) as progress:
        for reward in (0.1234, 12.345, -0.5):
            progress.advance({"reward": reward})
    said = capsys.readouterr().out.splitlines()
    assert [line.partition("  (")[0] for line in said] == [
        "zero 3/5  reward 0.123",
        "zero 4/5  reward 12.3",
        "zero 5/5  reward -0.500",
    ]
    assert all(line.endswith(" left)") for line in said)
    assert said[-1].endswith("(0:00 left)")


def test_long_stages_speak_seldom_and_always_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Progress("zero", start=0, total=1010) as progress:
        for _ in range(1010):
            progress.advance({})
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 25  # one in 41, and the last
    assert said[-1].startswith("zero 1010/1010")
