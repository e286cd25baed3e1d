"""R1's chain in miniature: the shipped recipe from first stage to last, killed on the way."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import tiny_run

pytestmark = pytest.mark.slow

SCORES = ("base", "cold", "reasoning", "again", "scenarios")
SMALL = (
    "data.size=600",
    "sampler.kv_cache_gib=0.1",
    "track.to=[]",
    *(f"stages.{name}-score.problems=60" for name in SCORES),
    *(f"stages.{name}.optimizer.warmup_steps=1" for name in ("cold", "reasoning", "scenarios")),
    "stages.cold.data.size=200",
    "stages.cold.epochs=1",
    "stages.reasoning.steps=2",
    "stages.reasoning.prompts=4",
    "stages.reasoning.group_size=4",
    "stages.reasoning.evaluate_every=0",
    "stages.kept.problems=60",
    "stages.kept.samples=2",
    "stages.kept.beside.size=60",
    "stages.again.batch=16",
    "stages.again.epochs=1",
    "stages.again.evaluate_every=0",
    # So small a policy has no manners to be told apart by; its languages it does mix.
    "stages.compared.rewards={language_consistency: 1.0}",
    "stages.compared.gap=0.01",
    "stages.compared.problems=40",
    "stages.compared.samples=4",
    "stages.helpful.beside.size=96",
    "stages.helpful.evaluate_pairs=40",
    "stages.harmless.beside.size=96",
    "stages.harmless.evaluate_pairs=40",
    "stages.scenarios.data.size=2000",
    "stages.scenarios.steps=2",
    "stages.scenarios.prompts=8",
    "stages.scenarios.group_size=4",
    "stages.scenarios.evaluate_every=0",
)


def chain(folder: Path, *words: str, fault: str = "none") -> tiny_run.Done:
    return tiny_run.grpo("run", "tiny/r1", "--dir", folder, *SMALL, *words, fault=fault)


def manifest(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return told


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chain, killed while it samples for rejection and for comparison and in its last stage,
    and gone on."""
    folder = tmp_path_factory.mktemp("chain") / "run"
    for stage in ("kept:0", "compared:0", "scenarios:1"):
        fault = f"sampling:{stage}:KILL"
        assert chain(folder, fault=fault).code == -signal.SIGKILL
    done = chain(folder)
    assert done.code == 0, done.err
    return folder


def test_every_stage_is_done_and_knows_where_it_came_from(run: Path) -> None:
    stages = manifest(run)["stages"]
    assert {entry["status"] for entry in stages.values()} == {"done"}
    assert list(stages) == [
        *("base-score", "cold", "cold-score", "reasoning", "reasoning-score", "kept", "again"),
        *("compared", "helpful", "harmless", "again-score", "scenarios", "scenarios-score"),
    ]
    assert set(stages["again"]["parents"]) == {"base", "kept"}
    assert set(stages["helpful"]["parents"]) == {"again", "compared"}
    assert set(stages["scenarios"]["parents"]) == {"again", "helpful", "harmless"}
    trained = ("cold", "reasoning", "again", "helpful", "harmless", "scenarios")
    assert all(stages[name]["flops"] > 0 for name in trained)


def test_what_is_kept_is_right_and_tells_its_origin(run: Path) -> None:
    rows = [json.loads(line) for line in (run / "data" / "kept.jsonl").read_text().splitlines()]
    report = json.loads((run / "data" / "kept.report.json").read_text())
    assert report["rows"] == len(rows) and report["kept"] >= 1
    sampled = [row["provenance"] for row in rows if row["provenance"]["source"].endswith(":kept")]
    assert len(sampled) == report["kept"]
    assert all(origin["rewards"]["accuracy"] == 1.0 for origin in sampled)
    assert report["samples"] == 120 == report["kept"] + sum(report["dropped"].values())


def test_the_stages_stand_side_by_side(run: Path) -> None:
    page = (run / "report.html").read_text()
    assert all(name in page for name in ("cold", "reasoning", "again", "scenarios", "manners"))
    status = tiny_run.grpo("status", run)
    assert status.code == 0
    assert all(len(line) <= 80 for line in status.out.splitlines())
    assert all(name in status.out for name in manifest(run)["stages"])
