"""Rollouts drawn beside the update: what is drawn is the same, it is on disk in time, and a kill in
the middle of both changes nothing."""

import signal
from collections.abc import Sequence
from pathlib import Path
from threading import Event, current_thread
from types import SimpleNamespace
from typing import Any

import pytest
import test_bank_run
import tiny_moe
import tiny_run
from test_bank import MODEL, House, Noting, problems

from grpo.errors import UserError
from grpo.learning.draws import draws
from grpo.recipe.sections import Sampling
from grpo.recipe.stages import Rl
from grpo.rollout.ahead import Ahead
from grpo.rollout.record import read_rollout
from grpo.timing import Stopwatch
from grpo.types import Completion, Request
from grpo_data.mixture import Stream


class Waiting(Noting):
    """Draws when it is told to, and notes on which thread it does."""

    def __init__(self) -> None:
        super().__init__(MODEL, tiny_moe.tokenizer())
        self.go, self.threads = Event(), []

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        assert self.go.wait(60), "nobody did anything beside it"
        self.threads.append(current_thread().name)
        return super().sample(requests, sampling)


@pytest.fixture
def house(tmp_path: Path) -> House:
    order = Stream(problems(30), seed=0)
    house = House(tmp_path / "ahead", order, [p.id for p in problems(30) if int(p.answer) % 3])
    house.sampler = Waiting()
    return house


def test_it_draws_while_something_else_is_done(house: House) -> None:
    assert isinstance(house.sampler, Waiting)
    watch = Stopwatch()
    ahead = Ahead(house.bank(), watch)
    house.sampler.go.set()
    first = ahead.take(0)  # there was no update before it
    house.sampler.go.clear()
    with ahead.meanwhile(1):
        ids = [group.problem.id for group in ahead.batch(first).groups]
        house.sampler.go.set()
    assert len(ids) == 4
    assert house.sampler.threads[0] == current_thread().name
    assert all(name.startswith("rollout") for name in house.sampler.threads[-1:])
    # whoever saves now has it on disk, and nobody draws it again
    asked = len(house.sampler.asked)
    assert ahead.take(1) == read_rollout(house.folder / "step-000001.parquet")
    assert len(house.sampler.asked) == asked
    assert "time/waiting" in watch.take()


def test_of_one_policy_it_draws_what_is_drawn_in_turn(house: House, tmp_path: Path) -> None:
    assert isinstance(house.sampler, Waiting)
    house.sampler.go.set()
    in_turn = House(tmp_path / "in_turn", house.order, house.live).bank()
    expected = [(rollout := in_turn.take(step), in_turn.batch(rollout)) for step in range(3)]
    ahead, found = Ahead(house.bank(), Stopwatch()), []
    for step in range(3):
        drawn = ahead.take(step)
        with ahead.meanwhile(step + 1):
            found.append((drawn, ahead.batch(drawn)))
    assert found == expected


def test_an_error_on_either_side_is_heard_and_the_engine_left_at_rest(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(house.sampler, Waiting)
    house.sampler.go.set()
    ahead = Ahead(house.bank(), Stopwatch())
    with pytest.raises(ZeroDivisionError), ahead.meanwhile(0):
        raise ZeroDivisionError
    assert (house.folder / "step-000000.parquet").is_file()  # it was brought to its end

    def broken(*_: object) -> list[Completion]:
        raise UserError("no more")

    monkeypatch.setattr(Waiting, "sample", broken)
    with pytest.raises(UserError, match="no more"), ahead.meanwhile(1):
        pass


def test_several_processes_may_not() -> None:
    stage = Rl(name="zero", kind="rl", steps=9, ahead=1)
    bench: Any = SimpleNamespace(
        order=lambda stage: None, accelerator=SimpleNamespace(num_processes=2)
    )
    shelf: Any = None
    with pytest.raises(UserError, match=r"stage 'zero' draws ahead, which several processes can"):
        draws(stage, bench, shelf, Stopwatch())


# A run.

WORDS = ("stages.zero.ahead=1", "stages.zero.objective.correction=truncate")


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return test_bank_run.whole(tmp_path_factory.mktemp("house") / "straight" / "run", *WORDS)


@pytest.mark.slow
def test_the_rollout_of_a_step_is_of_the_policy_before(straight: Path) -> None:
    lines = tiny_run.metrics(straight)
    gaps = [line["sampling/sampling_logp_difference/mean"] for line in lines]
    assert gaps[0] < 1e-5 < 1e-4 < min(gaps[1:])
    # the engine itself is up to date
    assert max(line["parity/mean"] for line in lines) < 1e-5
    # one too many lies ready, should the stage be given more steps
    assert len(tiny_run.rollouts(straight)) == len(lines) + 1


@pytest.mark.slow
def test_killed_in_an_update_it_ends_like_one_that_was_not(straight: Path) -> None:
    folder = straight.parents[1] / "broken" / "run"
    done = test_bank_run.run(folder, *WORDS, fault="updating:3:KILL")
    assert done.code == -signal.SIGKILL, done.err
    assert [path.name for path in (folder / "checkpoints" / "zero").iterdir()] == ["step-000003"]
    test_bank_run.whole(folder, *WORDS)
    tiny_run.assert_same_end(folder, straight, test_bank_run.STEPS)
