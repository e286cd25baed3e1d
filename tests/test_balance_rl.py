"""Router biases in an rl stage: moved after every minibatch, logged, saved, synced, restored."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from golden import record
from torch import Tensor
from transformers import PreTrainedModel

from grpo.checkpoint.weights import load_weights
from grpo.learning import learner as learners
from grpo.learning.learner import Learner
from grpo.learning.lesson import Teacher
from grpo.model.balance import RouterWatch
from grpo.model.load import base_folder
from grpo.recipe.stages import Rl
from grpo.run.run_directory import RunDirectory
from grpo.train.update import Update
from grpo.workbench.workbench import Workbench

pytestmark = pytest.mark.slow

KNOBS = (
    "sampler.engine=plain", "stages.zero.router_bias=decay", "stages.zero.bias_speed=0.01",
    "stages.zero.share_prompts=false", "stages.zero.balance=0.001",
    "stages.zero.expert_balance=0.002",
)  # fmt: skip


class Ran:
    """Two golden rollouts learnt from, and every update on the way."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        recipe = record.recipe(*KNOBS)
        (self.stage,) = [stage for stage in recipe.stages if isinstance(stage, Rl)]
        assert recipe.model is not None
        self.base, self.run = base_folder(recipe.model), RunDirectory(folder)
        self.bench = Workbench(recipe, self.run, Accelerator())
        self.updates: list[tuple[float, Tensor]] = []
        plain = learners.update

        def noted(*arguments: Any, **knobs: Any) -> Update:
            done = plain(*arguments, **knobs)
            assert done.load_LE is not None
            self.updates.append((knobs["bias_speed"], done.load_LE))
            return done

        patch.setattr(learners, "update", noted)
        self.learner = self.opened()
        self.before = biases(self.learner.policy.model)
        teacher = Teacher(self.stage, self.learner.policy, self.learner.reference, recipe)
        self.metrics = [
            self.learner.learn(one, teacher.lesson(one)) for one in record.rollouts()[:2]
        ]

    def opened(self) -> Learner:
        return Learner(self.stage, self.bench, self.base)

    def loads(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run.load.path.read_text().splitlines()]


def biases(model: PreTrainedModel) -> Tensor:
    """[L, E] of the three layers with experts."""
    return torch.stack([r.e_score_correction_bias.clone() for r in RouterWatch(model).routers])


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    with pytest.MonkeyPatch.context() as patch:
        yield Ran(tmp_path_factory.mktemp("balance") / "run", patch)


def test_they_move_after_every_optimizer_step_by_its_own_load(ran: Ran) -> None:
    # Four minibatches a rollout, 50 rollouts: gamma falls by a 200th at each update.
    assert (ran.stage.minibatches, ran.stage.steps) == (4, 50)
    assert [speed for speed, _ in ran.updates] == pytest.approx(
        [0.01 * (1 - n / 200) for n in range(len(ran.updates))]
    )
    assert len(ran.updates) == sum(line["num_updates"] for line in ran.metrics) == 8
    expected = ran.before.clone()
    for speed, load_LE in ran.updates:
        expected += speed * (load_LE.mean(-1, keepdim=True) - load_LE).sign()
    torch.testing.assert_close(biases(ran.learner.policy.model), expected, atol=1e-6, rtol=0)
    # Some expert was moved the same way more often than there were rollouts.
    assert float((expected - ran.before).abs().max()) > 0.025


def test_the_load_of_a_step_is_logged_and_what_it_comes_to(ran: Ran) -> None:
    lines = ran.loads()
    assert [(line["stage"], line["step"]) for line in lines] == [("zero", 0), ("zero", 1)]
    for number, (line, metrics) in enumerate(zip(lines, ran.metrics, strict=True)):
        assert line["layers"] == [1, 2, 3]
        whole = sum(load_LE for _, load_LE in ran.updates[4 * number : 4 * number + 4])
        assert isinstance(whole, Tensor) and line["load"] == whole.long().tolist()
        violation = (whole.max(-1).values / whole.mean(-1) - 1).max()
        assert metrics["moe/max_vio"] == pytest.approx(float(violation))
        assert metrics["moe/dead"] == float((whole == 0).double().mean())
        assert {"moe/died", "balance_loss", "expert_balance_loss"} <= metrics.keys()
        assert metrics["balance_loss"] > 3


def test_they_are_saved_restored_and_given_to_the_sampler(ran: Ran) -> None:
    ran.learner.save(None)
    moved = biases(ran.learner.policy.model)
    saved = dict(load_weights(ran.learner.checkpoint))
    names = [f"model.layers.{n}.mlp.gate.e_score_correction_bias" for n in (1, 2, 3)]
    assert torch.equal(torch.stack([saved[name] for name in names]), moved)
    assert not torch.equal(moved, ran.before)
    # A step that no checkpoint remembers is forgotten.
    ran.run.load.append("zero", 2, {"layers": [1, 2, 3], "load": [[1] * 8] * 3})
    assert torch.equal(biases(ran.opened().policy.model), moved)
    assert [line["step"] for line in ran.loads()] == [0, 1]
    with ran.bench as bench:
        sampler: Any = bench.sampler(ran.base)
        assert torch.equal(biases(sampler._model), ran.before)
        bench.push(ran.learner.policy)
        assert torch.equal(biases(sampler._model), moved)
