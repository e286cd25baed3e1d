"""Kill it anywhere: whatever ends a run, the same command goes on to the same bits.

The straight run and two others, of which one is killed again and again and one is stopped, end
alike in weights, optimizer, reference, metrics and rollouts.
"""

import signal
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import tiny_run
from safetensors.torch import load
from tiny_run import Done

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Break:
    """A run's folder after a command that did not reach the end: what it said, what it left."""

    done: Done
    lines: int
    rollouts: dict[str, int]
    checkpoints: list[str]


@dataclass(frozen=True)
class Broken:
    """A run in pieces: every break, then the command that brought it to its end."""

    folder: Path
    breaks: list[Break]
    last: Done


def break_up(folder: Path, *attempts: tuple[str, ...]) -> Broken:
    """Run with each attempt's fault and words, one after the other, then without any."""
    breaks = []
    for fault, *words in attempts:
        done = tiny_run.run(folder, *words, fault=fault)
        breaks.append(look(folder, done))
    return Broken(folder, breaks, tiny_run.run(folder))


def look(folder: Path, done: Done) -> Break:
    rollouts = sorted((folder / "rollouts" / "zero").glob("*.parquet"))
    checkpoints = (folder / "checkpoints" / "zero").glob("*")
    return Break(
        done,
        len((folder / "metrics.jsonl").read_text().splitlines()),
        {file.name: file.stat().st_mtime_ns for file in rollouts},
        sorted(path.name for path in checkpoints),
    )


@pytest.fixture(scope="module")
def both(
    pool: ThreadPoolExecutor,
    straight_run: "Future[Path]",
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple["Future[Broken]", "Future[Broken]"]:
    """The killed run and the stopped one, under way beside the straight one."""
    return (
        pool.submit(
            break_up,
            tmp_path_factory.mktemp("killed") / "run",
            ("sampling:zero:1:KILL",),
            ("updating:3:KILL",),
            ("saving:6:KILL",),
        ),
        pool.submit(
            break_up,
            tmp_path_factory.mktemp("stopped") / "run",
            ("evaluating:1:TERM", "--max-steps", "3"),
            ("updating:4:TERM",),
        ),
    )


@pytest.fixture(scope="module")
def killed(both: tuple["Future[Broken]", "Future[Broken]"]) -> Broken:
    """SIGKILL while sampling, in the second minibatch of an update, and in mid-checkpoint."""
    return both[0].result()


@pytest.fixture(scope="module")
def stopped(both: tuple["Future[Broken]", "Future[Broken]"]) -> Broken:
    """Half the steps, with SIGTERM in their evaluation; then SIGTERM in an update."""
    return both[1].result()


def test_a_kill_while_sampling_leaves_no_half_rollout(killed: Broken) -> None:
    seen = killed.breaks[0]
    assert seen.done.code == -signal.SIGKILL
    assert list(seen.rollouts) == ["step-000000.parquet"]
    assert seen.checkpoints == []  # so the run begins anew, from its rollouts
    assert seen.lines == 1


def test_a_kill_while_updating_leaves_the_rollout_that_it_learnt_from(killed: Broken) -> None:
    before, seen = killed.breaks[:2]
    assert seen.done.code == -signal.SIGKILL
    assert list(seen.rollouts)[-1] == "step-000003.parquet"
    assert seen.checkpoints == ["step-000002"]
    assert seen.lines == 3
    # what was on disk was read, not drawn again
    assert seen.rollouts["step-000000.parquet"] == before.rollouts["step-000000.parquet"]


def test_a_kill_in_mid_checkpoint_leaves_the_one_before_it(killed: Broken) -> None:
    before, seen = killed.breaks[1:]
    assert seen.done.code == -signal.SIGKILL
    torn, whole = seen.checkpoints
    assert torn.startswith(".tmp-step-000006-")
    assert whole == "step-000004"
    assert seen.lines == 6
    assert seen.rollouts["step-000003.parquet"] == before.rollouts["step-000003.parquet"]


def test_the_run_is_worth_killing(straight: Path) -> None:
    """Every step learns, the policy is looked at, the reference is replaced and left behind."""
    lines = tiny_run.metrics(straight)
    assert [line["step"] for line in lines] == list(range(tiny_run.STEPS))
    assert all(line["num_updates"] == 2 and line["grad_norm"] > 0 for line in lines)
    assert [step for step, line in enumerate(lines) if "eval/strict" in line] == [1, 3, 5]
    # after a replacement policy and reference are one until the first minibatch's update
    assert lines[4]["kl"] < lines[3]["kl"]
    files = tiny_run.checkpoint(straight)
    reference, policy = (
        load(files[name])["lm_head.weight"]
        for name in ("trainer/reference/model.safetensors", "model.safetensors")
    )
    assert not reference.equal(policy)


def test_a_run_killed_three_times_ends_like_one_that_was_not(
    killed: Broken, straight: Path
) -> None:
    assert killed.last.code == 0, killed.last.err
    tiny_run.assert_same_end(killed.folder, straight)
    end = look(killed.folder, killed.last)
    assert end.checkpoints == ["step-000006"]  # nothing torn is left
    assert end.rollouts == killed.breaks[2].rollouts  # the last command drew nothing again
    assert (killed.folder / "report.html").stat().st_size > 0


def test_a_stopped_evaluation_says_how_to_go_on(stopped: Broken) -> None:
    seen = stopped.breaks[0]
    assert seen.done.code == 130
    first, second = seen.done.errors
    assert first == "stopped; the same command goes on from the last checkpoint"
    assert second.startswith("go on with: grpo run ")
    assert second.endswith("--max-steps 3")
    assert seen.checkpoints == ["step-000003"]


def test_sigterm_finishes_the_step_and_saves_it(stopped: Broken) -> None:
    seen = stopped.breaks[1]
    assert seen.done.code == 130
    first, second = seen.done.errors
    assert first.startswith("stopped after step 5 of 6 of 'zero'; the same command goes on")
    assert second.startswith("go on with: grpo run ")
    assert seen.checkpoints == ["step-000005"]  # which no schedule asked for
    assert seen.lines == 5


def test_a_run_that_was_extended_and_stopped_ends_like_one_that_was_not(
    stopped: Broken, straight: Path
) -> None:
    assert stopped.last.code == 0, stopped.last.err
    tiny_run.assert_same_end(stopped.folder, straight)
