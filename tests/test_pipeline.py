"""The shipped R1-Zero recipe in miniature, by the command: what a run leaves behind.

What it learns in two steps is nothing; that it learns is the demo's business.
"""

import json
import math
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import tiny_run
from datasets import load_dataset
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_run import Done
from transformers import AutoModelForCausalLM

from grpo.eval.result import read_result
from grpo.recipe.load import load_recipe

pytestmark = pytest.mark.slow

RECIPE = "tiny/r1_zero"
SMALL = (
    "sampler.kv_cache_gib=0.1",
    "runtime.threads=1",
    "stages.before.problems=40",
    "stages.before.sampling.max_tokens=64",
    "stages.zero.steps=2",
    "stages.zero.prompts=4",
    "stages.zero.group_size=4",
    "stages.zero.minibatches=2",
    "stages.zero.sampling.max_tokens=64",
    "stages.zero.evaluate_every=1",
    "stages.zero.evaluate_problems=8",
    "stages.after.problems=40",
    "stages.after.sampling.max_tokens=64",
)
TRL_NAMES = {
    "loss",
    "grad_norm",
    "learning_rate",
    "num_tokens",
    "reward",
    "reward_std",
    "frac_reward_zero_std",
    "rewards/accuracy/mean",
    "rewards/accuracy/std",
    "rewards/format/mean",
    "completions/mean_length",
    "completions/min_length",
    "completions/max_length",
    "completions/clipped_ratio",
    "completions/mean_terminated_length",
    "clip_ratio/region_mean",
    "clip_ratio/low_mean",
    "clip_ratio/high_mean",
    "entropy",
    "kl",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the run goes."""
    return tmp_path_factory.mktemp("pipeline") / "run"


@pytest.fixture(scope="module")
def both(pool: ThreadPoolExecutor, folder: Path) -> tuple["Future[Done]", "Future[Done]"]:
    """`grpo run` the first time; beside it, a run whose weight sync does nothing."""
    stale = folder.parent / "stale"
    return (
        pool.submit(tiny_run.grpo, "run", RECIPE, "--dir", folder, *SMALL),
        pool.submit(tiny_run.run, stale, "--max-steps", "2", fault="stale"),
    )


@pytest.fixture(scope="module")
def first(both: tuple["Future[Done]", "Future[Done]"]) -> Done:
    """What the first run said."""
    done = both[0].result()
    assert done.code == 0, done.err
    return done


@pytest.fixture(scope="module")
def ran(first: Done, folder: Path) -> Path:
    """The folder of the finished run."""
    return folder


@pytest.fixture(scope="module")
def checkpoint(ran: Path) -> Path:
    """The one checkpoint that two steps leave."""
    return ran / "checkpoints" / "zero" / "step-000002"


def test_the_terminal_shows_before_and_after(first: Done, folder: Path) -> None:
    for word in ("before", "after", "strict", "lenient", "format", f"Report: {folder}"):
        assert word in first.out
    assert first.errors == []


def test_the_recipe_it_saved_is_the_recipe_it_ran(ran: Path) -> None:
    assert load_recipe(ran / "recipe.yaml") == load_recipe(RECIPE, SMALL)


def test_the_manifest_says_what_was_done(ran: Path, checkpoint: Path) -> None:
    manifest = json.loads((ran / "manifest.json").read_text())
    stages = manifest["stages"]
    assert list(stages) == ["before", "zero", "after"]
    assert all(stage["status"] == "done" for stage in stages.values())
    assert stages["after"]["parent_checkpoint"] == str(checkpoint.relative_to(ran))
    assert manifest["seed"] == 0
    assert manifest["versions"]["torch"].startswith("2.")


def test_the_metrics_have_the_names_that_trl_gives(ran: Path) -> None:
    lines = [json.loads(line) for line in (ran / "metrics.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["step"]) for line in lines] == [("zero", 0), ("zero", 1)]
    for line in lines:
        assert line.keys() >= TRL_NAMES | {"parity/mean", "eval/strict", "time/step"}
        assert all(math.isfinite(line[name]) for name in TRL_NAMES)
        assert line["parity/mean"] < 1e-4


def test_datasets_reads_the_rollouts(ran: Path, tmp_path: Path) -> None:
    files = [str(file) for file in sorted((ran / "rollouts" / "zero").glob("*.parquet"))]
    rows = load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path))
    assert len(rows) == 2 * 4 * 4
    for row in rows:
        assert row["reward"] == pytest.approx(row["reward/accuracy"] + 0.5 * row["reward/format"])
        assert len(row["token_ids"]) == len(row["logprobs"]) <= 64


def test_the_evaluations_score_the_same_problems(ran: Path) -> None:
    before, after = (read_result(ran / "evaluations" / name) for name in ("before", "after"))
    assert before.plan["tasks"] == after.plan["tasks"]
    assert before.plan["checkpoint"] != after.plan["checkpoint"]
    assert [row.seed for row in before.rows] == [row.seed for row in after.rows]
    for found in (before.benchmarks["held-out"], after.benchmarks["held-out"]):
        assert (found["questions"], found["k"]) == (40, 1)
        assert 0 <= found["avg"]["value"] <= found["scores"]["format"]["value"] <= 1


def test_the_report_and_the_trackers_have_the_numbers(ran: Path) -> None:
    assert "<html" in (ran / "report.html").read_text()
    (events,) = (ran / "tensorboard" / "zero").iterdir()
    board = EventAccumulator(str(events)).Reload()
    assert [point.step for point in board.Scalars("reward")] == [0, 1]


def test_transformers_loads_the_checkpoint(checkpoint: Path) -> None:
    model, info = AutoModelForCausalLM.from_pretrained(checkpoint, output_loading_info=True)
    assert not info["missing_keys"]
    # the layer after the last is the draft's, which only vLLM reads
    draft = f"model.layers.{model.config.num_hidden_layers}."
    assert all(name.startswith(draft) for name in info["unexpected_keys"])


def test_vllm_loads_the_checkpoint(checkpoint: Path, tmp_path: Path) -> None:
    words = ("--limit", 8, "--max-tokens", 32, "--out", tmp_path / "result")
    done = tiny_run.grpo("eval", checkpoint, *words)
    assert done.code == 0, done.err
    assert "strict" in done.out


def test_the_same_command_again_does_nothing_new(first: Done, ran: Path) -> None:
    def state() -> dict[str, int]:
        kept = ("metrics.jsonl", "rollouts", "checkpoints", "evaluations", "tensorboard")
        files = [path for path in ran.rglob("*") if path.relative_to(ran).parts[0] in kept]
        # Reports are pictures, and drawn anew.
        return {
            str(path): path.stat().st_mtime_ns
            for path in files
            if path.is_file() and path.name != "report.html"
        }

    there, manifest = state(), (ran / "manifest.json").read_text()
    again = tiny_run.grpo("run", RECIPE, "--dir", ran, *SMALL)
    assert again.code == 0, again.err
    assert state() == there
    assert (ran / "manifest.json").read_text() == manifest
    table = first.out.index("held-out score")
    assert again.out.endswith(first.out[table:])


def test_a_sync_that_does_nothing_stops_the_run(
    both: tuple["Future[Done]", "Future[Done]"], folder: Path
) -> None:
    done = both[1].result()
    assert done.code == 2
    (error,) = done.errors
    assert error.startswith("error: the sampler's policy is not the trainer's: over ")
    assert "(bound 0.0001)" in error
    # the step before was sound, and only that one learnt
    assert [line["step"] for line in tiny_run.metrics(folder.parent / "stale")] == [0]
