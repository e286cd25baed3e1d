"""The benchmark of rewards runs, measures what it says, and tells who was right."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "rewards.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_rewards", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_ratios_are_taken_within_a_round(script: ModuleType) -> None:
    rows = [script.Row("a", "1", is_right) for is_right in (True, False, True, False, True, False)]
    right = [True, False]
    theirs = [script.Round(s, s, right) for s in (2.0, 8.0, 4.0)]
    ours = [script.Round(s, 2 * s, [True, True]) for s in (1.0, 2.0, 2.0)]
    table = script.summary(rows, {"math-verify": theirs, "ours": ours})
    # 2/1, 8/2, 4/2: the middle one is 2; 2, 1, 1 completions a second
    assert table["ours"]["ratio"] == 2.0
    assert table["ours"]["ratio_in_all"] == 14 / 5
    assert table["ours"]["cpu_ratio"] == 14 / 10
    assert table["ours"]["completions_per_s"] == 1.0
    assert (table["ours"]["ratio_low"], table["ours"]["ratio_high"]) == (2.0, 4.0)
    assert (table["ours"]["right"], table["ours"]["agrees"]) == (0.5, 0.5)
    assert (table["math-verify"]["right"], table["math-verify"]["ratio"]) == (1.0, 1.0)


def test_half_of_the_completions_are_wrong(script: ModuleType) -> None:
    rows = script.tiny_world(Path())[:200]
    assert 60 < sum(row.is_right for row in rows) < 140
    for row in rows:
        assert row.text.startswith("<think>")
        assert row.text.endswith(f"<answer>\\boxed{{{row.gold}}}</answer>") == row.is_right


@pytest.mark.slow
def test_it_runs_where_the_benchmark_files_are_not(tmp_path: Path) -> None:
    out = tmp_path / "rewards.json"
    words = ["--n", "20", "--rounds", "2", "--data", str(tmp_path / "none"), "--out", str(out)]
    path = os.pathsep.join([str(ROOT), str(ROOT / "rewards"), str(ROOT / "data")])
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *words],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    written = json.loads(out.read_text())
    assert written["machine"]["math-verify"] and written["n"] == 20
    (table,) = written["sets"].values()
    assert {name: row["right"] for name, row in table.items()} == dict.fromkeys(table, 1.0)
    assert all(row["completions_per_s"] > 0 for row in table.values())
