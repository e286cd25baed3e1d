"""Multi-token prediction in RL and distillation: trained jointly, beside the policy, or carried."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_moe
import torch
from accelerate import Accelerator
from small_policies import llama
from test_model_mtp import draft
from torch import Tensor

from grpo.checkpoint.weights import load_weights, save_weights
from grpo.errors import UserError
from grpo.model.names import checkpoint_tensors
from grpo.recipe.schema import Recipe
from grpo.recipe.sections import Data, SamplerConfig, Track
from grpo.recipe.stages import AnyStage, Distill, Evaluate, Pretrain, Rl, Sft
from grpo.run.run_directory import RunDirectory
from grpo.stages.distill import run_distill
from grpo.stages.rl import run_rl
from grpo.workbench.drafts import check_drafts
from grpo.workbench.workbench import Workbench

TEMPLATE = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
HEAD = f"model.layers.{tiny_moe.LAYERS}."
SHARED = (HEAD + "embed_tokens.weight", HEAD + "shared_head.head.weight")
REWARD = (
    "def chance(completion_ids, **_):\n    return [sum(ids) % 7 / 7 for ids in completion_ids]\n"
)
PLAIN = SamplerConfig(engine="plain", max_model_len=400)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A mixture with two MTP layers, a teacher, a dense model; a reward that is chance."""
    words = tiny_moe.tokenizer()
    words.chat_template = TEMPLATE
    for name, seed in (("base", 0), ("teacher", 5)):
        main = tiny_moe.model(seed, num_nextn_predict_layers=2)
        main.config.architectures = ["DeepseekV3ForCausalLM"]
        save_weights(tmp_path / name, checkpoint_tensors(main, mtp=draft(main)), main.config, words)
    llama().save_pretrained(tmp_path / "dense")
    words.save_pretrained(tmp_path / "dense")
    (tmp_path / "r.py").write_text(REWARD)
    return tmp_path


def rl(root: Path, **knobs: Any) -> Rl:
    usual = {
        "rewards": {f"{root / 'r.py'}:chance": 1.0}, "steps": 2, "prompts": 3, "group_size": 4,
        "minibatches": 2, "tokens_per_microbatch": 500, "sampling": {"max_tokens": 10},
        "objective": {"beta": 0.0}, "optimizer": {"lr": 3e-3, "max_grad_norm": 0.1},
        "router_bias": "update", "checkpoint": {"every": 1, "keep_last": 9},
    }  # fmt: skip
    return Rl(name="zero", kind="rl", **{**usual, **knobs})


def distil(root: Path, **knobs: Any) -> Distill:
    return Distill(
        name="pupil", kind="distill", teacher=str(root / "teacher"), steps=1, prompts=3,
        sampling={"max_tokens": 10}, optimizer={"lr": 3e-3}, **knobs,
    )  # fmt: skip


def recipe(root: Path, *stages: AnyStage, base: str | None = "base", **knobs: Any) -> Recipe:
    return Recipe(
        name="t",
        seed=3,
        data=Data(path="tiny:all", size=60, held_out=0.3),
        track=Track(to=()),
        stages=stages,
        **{"model": {"path": str(root / base)} if base else None, "sampler": PLAIN, **knobs},
    )


def trained(root: Path, stage: Rl | Distill, run: str, last_step: int = 2) -> dict[str, Tensor]:
    """The weights after `last_step` steps of `stage`."""
    do: Callable[..., Path] = run_rl if isinstance(stage, Rl) else run_distill
    folder = RunDirectory(root / run)
    with Workbench(recipe(root, stage), folder, Accelerator(cpu=True)) as bench:
        return dict(load_weights(do(stage, bench, root / "base", last_step)))


def metrics(root: Path, run: str) -> list[dict[str, Any]]:
    lines = map(json.loads, (root / run / "metrics.jsonl").read_text().splitlines())
    return [{k: v for k, v in line.items() if not k.startswith("time/")} for line in lines]


def is_of_mtp(name: str) -> bool:
    return name.startswith((HEAD, f"model.layers.{tiny_moe.LAYERS + 1}."))


def moved(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.slow
def test_beside_the_policy_it_learns_and_the_policy_does_not_notice(root: Path) -> None:
    before = dict(load_weights(root / "base"))
    alone = trained(root, rl(root), "alone")
    beside = trained(root, rl(root, mtp_weight=0.3), "beside")
    joint = trained(root, rl(root, mtp_weight=0.3, mtp_detach=False), "joint")
    own = {
        name
        for name in before
        if is_of_mtp(name) and not name.endswith(("embed_tokens.weight", "head.weight"))
    }
    assert not own & moved(before, alone)
    # Its routers' biases are moved too; of twice eight experts some had their fair share.
    assert {n for n in own if not n.endswith("_bias")} <= moved(before, beside)
    assert {name for name in moved(alone, beside) if not is_of_mtp(name)} == set()
    assert {name for name in moved(alone, joint) if not is_of_mtp(name)} > {"lm_head.weight"}
    # The engine reads the draft's embedding there, and it is the policy's.
    assert torch.equal(beside[SHARED[0]], beside["model.embed_tokens.weight"])
    lines = {run: metrics(root, run) for run in ("alone", "beside", "joint")}
    for mine, others in zip(lines["alone"], lines["beside"], strict=True):
        own_words = {"mtp_loss", "mtp_loss/1", "mtp_loss/2"}
        assert others.keys() - mine.keys() == own_words
        unlike = {name for name in mine if mine[name] != others[name]}
        assert unlike <= {"loss", "moe/max_vio", "compute/flops", "compute/flops_so_far"}
    # Each rollout has other completions; the layers, told to, come to know the policy's.
    assert all("mtp_loss" in line for line in lines["joint"])


@pytest.mark.slow
def test_it_goes_on_exactly(root: Path) -> None:
    stage = rl(root, mtp_weight=0.3)
    straight = trained(root, stage, "straight")
    trained(root, stage, "broken", last_step=1)
    assert moved(straight, trained(root, stage, "broken")) == set()
    assert metrics(root, "broken") == metrics(root, "straight")


@pytest.mark.slow
def test_a_student_s_layers_learn_from_what_it_says(root: Path) -> None:
    before = dict(load_weights(root / "base"))
    after = trained(root, distil(root, mtp_weight=0.3), "pupil", last_step=1)
    assert HEAD + "eh_proj.weight" in moved(before, after)
    (line,) = metrics(root, "pupil")
    assert line["mtp_loss"] == pytest.approx((line["mtp_loss/1"] + line["mtp_loss/2"]) / 2, rel=0.1)


def refused(root: Path, *stages: AnyStage, **knobs: Any) -> str:
    with pytest.raises(UserError) as told:
        check_drafts(recipe(root, *stages, **knobs))
    return str(told.value)


def test_what_is_asked_of_a_model_that_has_it_not_is_a_sentence(root: Path) -> None:
    for stage in (rl(root, mtp_weight=0.1), distil(root, mtp_weight=0.1)):
        said = refused(root, stage, base="dense")
        assert f"stage {stage.name!r} asks for mtp_weight 0.1" in said
        assert "dense has no multi-token-prediction layer; set mtp_weight to 0" in said
    check_drafts(recipe(root, rl(root), base="dense"))
    check_drafts(recipe(root, rl(root, mtp_weight=0.1)))


def test_a_draft_without_layers_is_a_sentence(root: Path) -> None:
    drafting = SamplerConfig(draft_tokens=1)
    look = Evaluate(name="look", kind="evaluate")
    said = refused(root, look, base="dense", sampler=drafting)
    assert said.startswith("sampler.draft_tokens is 1, and the model of stage 'look'")
    check_drafts(recipe(root, look, sampler=drafting))
    check_drafts(recipe(root, look, base="dense"))


def test_what_a_stage_before_will_make_is_known(root: Path) -> None:
    tiny: dict[str, Any] = {"name": "tiny", "kind": "pretrain", "documents": 9, "steps": 1}
    cold = Sft(
        name="cold", kind="sft", data={"path": "tiny:cold_start"}, parent="tiny", mtp_weight=0.1
    )
    after = rl(root, parent="cold", mtp_weight=0.1)
    check_drafts(recipe(root, Pretrain(**tiny), cold, after, base=None))
    flat = Pretrain(**tiny, architecture={"mtp_layers": 0})
    assert "the model in stage tiny has no multi-token" in refused(
        root, flat, cold, after, base=None
    )
    straight = rl(root, parent="tiny", mtp_weight=0.1)
    assert "stage 'zero'" in refused(root, Pretrain(**tiny, llama={}), straight, base=None)


def test_a_base_of_another_depth_is_a_sentence_before_anything_is_trained(root: Path) -> None:
    tiny_moe.edit_config(root / "base", num_nextn_predict_layers=1)
    with (
        Workbench(recipe(root, rl(root)), RunDirectory(root / "run"), Accelerator(cpu=True)) as one,
        pytest.raises(UserError, match=r"base holds 2 multi-token.*says num_nextn_pred\w+ 1"),
    ):
        one.prepare()
