"""Starts `grpo` with one thing gone wrong: python launch.py FAULT run RECIPE ...

A fault strikes at a place in the code, never after a time: a test that kills by the clock tests
luck. The parts are the real ones; each fault adds one call to one of them.
"""

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

Strike = Callable[[], None]


def main(fault: str, words: list[str]) -> None:
    """Arm `fault` (NAME, or NAME:STEP:SIGNAL for those that strike at a step), then run `words`."""
    sys.argv = ["grpo", *words]
    name, _, where = fault.partition(":")
    FAULTS[name](*where.split(":")) if where else FAULTS[name]()
    from grpo.cli import main as grpo

    grpo()


def before(owner: Any, name: str, act: Callable[..., object]) -> None:
    """Have `act` called, with the same arguments, before each call of `owner.name`."""
    original = getattr(owner, name)

    def both(*arguments: Any, **named: Any) -> Any:
        act(*arguments, **named)
        return original(*arguments, **named)

    setattr(owner, name, both)


def strike(name: str) -> None:
    """Send this very process the signal SIG`name`."""
    os.kill(os.getpid(), signal.Signals[f"SIG{name}"])


def sampling(purpose: str, step: str, name: str) -> None:
    """In the 8th pass of vLLM over the rollout of `step`: all completions begun, few done."""
    from grpo.rollout.collect import Collector

    def arm(collector: Any, problems: Any, at: int, *times: Any) -> None:
        if (collector.purpose, at) == (purpose, int(step)):
            passes = iter(range(1, 10**9))
            engine = collector.sampler._engine.llm.llm_engine
            before(engine, "step", lambda: next(passes) == 8 and strike(name))

    before(Collector, "collect", arm)


def refilling(step: str, number: str, name: str) -> None:
    """When `step` is about to draw its `number`-th round (from 1): what it drew so far is lost."""
    from grpo.rollout.shelf import RolloutShelf

    rounds: Counter[int] = Counter()

    def act(shelf: Any, problems: Any, at: int, times: Any) -> None:
        rounds[at] += 1
        if (at, rounds[at]) == (int(step), int(number)):
            strike(name)

    before(RolloutShelf, "collect", act)


def evaluating(piece: str, name: str) -> None:
    """When an evaluation is about to write its `piece`-th piece (from 1), of 8 samples each."""
    from grpo.eval import shelf

    shelf.PIECE_ROWS = 8
    numbers = iter(range(1, 10**9))
    before(shelf, "write_rows", lambda *_: next(numbers) == int(piece) and strike(name))


def updating(step: str, name: str) -> None:
    """In the second minibatch of `step`: one optimizer step done, the next one's gradient begun."""
    from accelerate import Accelerator

    from grpo.learning.learner import Learner

    second = []

    def arm(learner: Any, rollout: Any, lesson: Any, number: int, rows: Any) -> None:
        second[:] = [True] * ((rollout.step, number) == (int(step), 1))

    before(Learner, "_update", arm)
    before(Accelerator, "clip_grad_norm_", lambda *_: second and strike(name))


def studying(step: str, name: str) -> None:
    """In the second minibatch of `step` of a distill stage."""
    from accelerate import Accelerator

    from grpo.learning.student import Student

    second = []

    def arm(student: Any, rollout: Any, number: int, rows: Any) -> None:
        second[:] = [True] * ((rollout.step, number) == (int(step), 1))

    before(Student, "_update", arm)
    before(Accelerator, "clip_grad_norm_", lambda *_: second and strike(name))


def reading(step: str, name: str) -> None:
    """In the optimizer step `step` of a pretrain stage: its gradient is there."""
    from torch.nn import utils

    from grpo.stages.pretrain import Pretraining

    here = []

    def arm(pretraining: Any) -> None:
        here[:] = [True] * (pretraining.step == int(step))

    before(Pretraining, "learn", arm)
    before(utils, "clip_grad_norm_", lambda *_: here and strike(name))


def tuning(step: str, name: str) -> None:
    """In the optimizer step `step` of an sft stage: its gradient is there, the step not taken."""
    from accelerate import Accelerator

    from grpo.learning.tuning import Tuning

    here = []

    def arm(tuning: Any, batch: Any) -> None:
        here[:] = [True] * (tuning.step == int(step))

    before(Tuning, "learn", arm)
    before(Accelerator, "clip_grad_norm_", lambda *_: here and strike(name))


def preferring(step: str, name: str) -> None:
    """In the optimizer step `step` of a reward_model stage: its gradient is there."""
    from accelerate import Accelerator

    from grpo.train.preference import PairTrainer

    here = []

    def arm(trainer: Any, *_: Any, **__: Any) -> None:
        here[:] = [True] * (trainer._course.start + trainer.state.global_step == int(step))

    before(PairTrainer, "training_step", arm)
    before(Accelerator, "clip_grad_norm_", lambda *_: here and strike(name))


def saving(step: str, name: str) -> None:
    """In the checkpoint after `step` steps: its weights are written, its optimizer is not."""
    from grpo.workbench import trained

    def act(folder: Path, trainer: Any) -> None:
        if trainer.state["step"] == int(step):
            strike(name)

    before(trained, "save_trainer", act)


def poison(step: str, minibatch: str) -> None:
    """Make the loss of one minibatch NaN."""
    from grpo.learning.learner import Learner
    from grpo.objective import GrpoObjective

    sick = []
    original = GrpoObjective.__call__

    def arm(learner: Any, rollout: Any, lesson: Any, number: int, rows: Any) -> None:
        sick[:] = [True] * ((rollout.step, number) == (int(step), int(minibatch)))

    def poisoned(*arguments: Any) -> Any:
        loss, stats = original(*arguments)
        return (loss * float("nan") if sick else loss), stats

    before(Learner, "_update", arm)
    GrpoObjective.__call__ = poisoned  # type: ignore[method-assign]


def stale() -> None:
    """Make the weight sync do nothing."""
    from grpo.sampler.vllm import VllmSampler

    VllmSampler.sync = lambda *_: None  # type: ignore[method-assign]


def world(size: str, folder: str) -> None:
    """Insist on `size` processes; each notes in `folder` how many rollout requests it drew."""
    from accelerate import Accelerator

    from grpo.sampler.vllm import VllmSampler

    accelerator = Accelerator()
    assert accelerator.num_processes == int(size), f"{accelerator.num_processes} processes"
    note = partial(_note_requests, Path(folder) / f"rank-{accelerator.process_index}.json")
    before(VllmSampler, "sample", note)


def _note_requests(file: Path, sampler: Any, requests: Any, sampling: Any) -> None:
    if not file.exists():
        file.write_text(json.dumps([request.seed for request in requests]))


FAULTS: dict[str, Callable[..., None]] = {
    "none": lambda: None,
    "sampling": sampling,
    "refilling": refilling,
    "evaluating": evaluating,
    "updating": updating,
    "studying": studying,
    "reading": reading,
    "tuning": tuning,
    "preferring": preferring,
    "saving": saving,
    "poison": poison,
    "stale": stale,
    "world": world,
}

if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
