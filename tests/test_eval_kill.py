"""`grpo eval` killed in the middle, with the real engine on the shipped base: the same command goes
on, draws no finished sample again, and comes to the same results.
"""

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_run

from grpo.eval.result import Result, read_result
from grpo.eval.row import Row, read_rows
from grpo.eval.shelf import Shelf

pytestmark = pytest.mark.slow

FIXTURES = Path(__file__).parent / "fixtures" / "benchmarks"
ASKED = (
    "eval", "tiny-base", "--benchmarks", "gsm8k,math500,svamp,mgsm_zh", "-k", "12",
    "--max-tokens", "24", "--data-root", FIXTURES,
    "runtime.threads=1", "sampler.kv_cache_gib=0.05", "sampler.max_num_seqs=4",
)  # fmt: skip
SAMPLES = (2 + 2 + 1 + 1) * 12


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, pool: ThreadPoolExecutor) -> Any:
    """(straight, killed, what the killed one held at its death, its last command)."""
    root = tmp_path_factory.mktemp("eval")
    straight = pool.submit(tiny_run.grpo, *ASKED, "--out", root / "straight")
    died = tiny_run.grpo(*ASKED, "--out", root / "killed", fault="evaluating:2:KILL")
    assert died.code == -signal.SIGKILL, died.err
    held = Shelf(root / "killed").rows()
    last = tiny_run.grpo(*ASKED, "--out", root / "killed")
    assert straight.result().code == 0, straight.result().err
    return root / "straight", root / "killed", held, last


def test_a_kill_leaves_whole_pieces_and_no_result(folders: Any) -> None:
    *_, held, last = folders
    assert 0 < len(held) < SAMPLES
    assert last.code == 0, last.err


def test_no_finished_sample_is_drawn_again(folders: Any) -> None:
    _, killed, held, _ = folders
    result = read_result(killed)
    assert result.results["samples_kept"] == len(held)
    final = {row.key: row for row in result.rows}
    assert [final[row.key] for row in held] == held  # log-probabilities and all
    assert len(final) == len(result.rows) == SAMPLES
    assert not (killed / "samples").exists()


def test_the_results_are_those_of_a_run_that_was_not_killed(folders: Any) -> None:
    straight, killed, *_ = folders
    one, other = read_result(straight), read_result(killed)
    assert _without_rounding(one) == _without_rounding(other)
    for ours, theirs in zip(one.rows, other.rows, strict=True):
        assert ours.logprob == pytest.approx(theirs.logprob, abs=1e-3)
    clock = ("seconds", "tokens_per_second", "samples_kept")
    first, second = ({k: v for k, v in r.results.items() if k not in clock} for r in (one, other))
    assert first == second
    assert json.loads((straight / "plan.json").read_text()) == one.plan == other.plan


def _without_rounding(result: Result) -> list[Row]:
    """The rows without log-probabilities: their last digits hang on the batch's shape."""
    return [replace(row, logprob=None) for row in result.rows]


def test_the_samples_are_worth_comparing(folders: Any) -> None:
    straight, *_ = folders
    rows = read_rows(straight / "samples.parquet")
    assert len({row.completion for row in rows}) > 10
    assert {row.finish_reason for row in rows} >= {"stop"}
    assert all(row.outcome in ("correct", "wrong", "unparseable") for row in rows)
