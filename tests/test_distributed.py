"""Two processes are one run: each has an engine, and together they do what one does."""

import json
from pathlib import Path

import pytest
import tiny_run

pytestmark = pytest.mark.slow

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first step of the small run on two gloo processes."""
    folder = tmp_path_factory.mktemp("pair") / "run"
    with pytest.MonkeyPatch.context() as patch:
        # `accelerate launch --cpu --num_processes 2` would start one process
        patch.setenv("ACCELERATE_USE_CPU", "1")
        world = f"world:2:{folder.parent}"
        done = tiny_run.run(folder, "--max-steps", "1", fault=world, prefix=TORCHRUN)
    assert done.code == 0, done.err
    return folder


def test_each_process_draws_its_half_on_its_own_engine(pair: Path) -> None:
    halves = [json.loads((pair.parent / f"rank-{rank}.json").read_text()) for rank in (0, 1)]
    # 4 prompts x 4 completions
    assert [len(half) for half in halves] == [8, 8]
    assert not set(halves[0]) & set(halves[1])


def test_the_rollout_is_that_of_one_process(pair: Path, straight: Path) -> None:
    ours, theirs = (tiny_run.rollouts(run)["step-000000.parquet"] for run in (pair, straight))
    for our, their in zip(ours, theirs, strict=True):
        # beside other requests a matrix has another shape, and its sums another order
        assert our.pop("logprobs") == pytest.approx(their.pop("logprobs"), abs=1e-5)
        assert our == their


def test_the_first_step_is_that_of_one_process(pair: Path, straight: Path) -> None:
    (ours,), (theirs, *_) = tiny_run.metrics(pair), tiny_run.metrics(straight)
    assert ours["num_updates"] == theirs["num_updates"] == 2
    for name in ("loss", "grad_norm", "kl", "entropy"):
        assert ours[name] == pytest.approx(theirs[name], abs=1e-5), name
