"""The tables of docs/base.md on multi-token prediction: their numbers, and their places."""

import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from grpo.recipe.load import load_recipe
from grpo.recipe.sections import Sampling
from grpo.recipe.stages import Rl
from grpo.sampler import ACCEPTANCE
from grpo.types import Completion, Request

ROOT = Path(__file__).parents[1]


def script(name: str) -> ModuleType:
    sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "benchmarks" / "base")]
    try:
        return importlib.import_module(name)
    finally:
        del sys.path[:2]


class Clocked:
    """Three tokens a completion, 10 ms a call and 1 ms a request."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, bench: ModuleType) -> None:
        self.now, self.asked = 0.0, list[int]()
        monkeypatch.setattr(bench, "time", self)

    def perf_counter(self) -> float:
        return self.now

    def sample(self, requests: Sequence[Request], _: Sampling) -> list[Completion]:
        self.asked.append(len(requests))
        self.now += 0.01 + 0.001 * len(requests)
        return [Completion("abc", (1, 2, 3), (0.0,) * 3, "stop") for _ in requests]

    def metrics(self) -> Mapping[str, float]:
        return {ACCEPTANCE: 0.85}


def test_many_at_once_are_one_call_and_few_an_eighth_of_the_questions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = script("mtp")
    sampler, asked = Clocked(monkeypatch, bench), [Request((1,), n) for n in range(128)]
    many, few = (bench.Case("tiny-base", "temperature 1", n) for n in (128, 8))
    bench.measure(many.drafted, many, sampler, asked)
    bench.measure(few.drafted, few, sampler, asked)
    # 128 / 8 / 8: two calls of eight.
    assert sampler.asked == [128, 8, 8]
    assert many.drafted.speed == pytest.approx(3 * 128 / 0.138)
    assert few.drafted.speed == pytest.approx(3 * 16 / 0.036)
    assert few.drafted.accepted == 0.85


def test_a_line_has_both_speeds_and_their_ratio() -> None:
    bench = script("mtp")
    case = bench.Case(
        "tiny-base",
        "temperature 1",
        8,
        bench.Measured(6000, 2.0, 0.8512),
        bench.Measured(3000, 2.0),
    )
    *_, row, _, note = bench.lines([case], 64, 2, 1)
    assert row == "| tiny-base | temperature 1 | 8 | 85.1% | 3,000 | 1,500 | 2.00 |"
    assert note == "64 held-out problems, a sample each, 2 turns, float32, 1 thread."


def test_a_checkpoint_is_called_by_its_run_stage_and_step() -> None:
    bench = script("mtp")
    assert bench.short("runs/r/checkpoints/zero/step-000024") == "r / zero / step-000024"
    assert bench.short("tiny-base") == "tiny-base"


def estimate(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02}


def test_the_arms_stand_side_by_side(tmp_path: Path) -> None:
    bench = script("joint")
    draft = {"acceptance": 0.9, "tokens_per_second": 1500.0, "tokens_per_second_without": 1000.0}
    for look in bench.ARMS:
        found = {"avg": estimate(0.5), "scores": {"lenient": estimate(0.6)}}
        results: dict[str, Any] = {"benchmarks": {"held-out": found}, "engine": {"draft": draft}}
        folder = tmp_path / "evaluations" / look
        folder.mkdir(parents=True)
        (folder / "results.json").write_text(json.dumps(results))
    lines = [
        {"stage": stage, "step": step, "reward": step, "moe/max_vio": 0.5, ACCEPTANCE: 0.8}
        | ({"mtp_loss": 0.25} if stage == "joint" else {})
        for stage in ("joint", "frozen")
        for step in range(10)
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    place = tmp_path / "base.md"
    place.write_text((ROOT / "docs" / "base.md").read_text())
    bench.main(tmp_path, into=place)
    scores = "50.0% (48.0-52.0) | 60.0% (58.0-62.0)"
    # Steps 4 to 9: 6.5.
    for row in (
        f"| base | {scores} | - | - | - | - | 90.0% | 1,500 | 1,000 |",
        f"| joint | {scores} | 6.500 | 0.500 | 0.250 | 0.800 | 90.0% | 1,500 | 1,000 |",
        f"| frozen | {scores} | 6.500 | 0.500 | - | 0.800 | 90.0% | 1,500 | 1,000 |",
    ):
        assert row in place.read_text()


def test_the_recipe_has_the_arms_that_the_table_shows() -> None:
    recipe = load_recipe("recipes/tiny/joint.yaml")
    arms = {one.name: one for one in recipe.stages if isinstance(one, Rl)}
    names = [stage.name for stage in recipe.stages]
    assert set(script("joint").ARMS) <= set(names) and recipe.sampler.draft_tokens == 1
    joint, frozen = arms["joint"], arms["frozen"]
    apart = {"name", "mtp_weight", "mtp_detach", "router_bias"}
    assert joint.model_dump(exclude=apart) == frozen.model_dump(exclude=apart)
    assert (joint.router_bias, frozen.router_bias) == ("update", "freeze")
    assert joint.mtp_weight > 0 and not joint.mtp_detach and frozen.mtp_weight == 0
