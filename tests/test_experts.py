"""Balance asked of a model that cannot have it: one sentence with the key and the cure, early."""

import re
from pathlib import Path
from typing import Any

import pytest
import tiny_moe
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from small_policies import llama

from grpo.errors import UserError
from grpo.model.routers import router_biases
from grpo.recipe.schema import Recipe
from grpo.recipe.sections import Model
from grpo.run.run_directory import RunDirectory
from grpo.workbench.experts import check_experts
from grpo.workbench.workbench import Workbench

BIAS = "model.layers.2.mlp.gate.e_score_correction_bias"


@pytest.fixture
def mixture(tmp_path: Path) -> Path:
    return tiny_moe.save(tiny_moe.model(), tmp_path / "mixture")


@pytest.fixture
def dense(tmp_path: Path) -> Path:
    llama().save_pretrained(tmp_path / "dense")
    tiny_moe.tokenizer().save_pretrained(tmp_path / "dense")
    return tmp_path / "dense"


def stage(kind: str, **knobs: Any) -> dict[str, Any]:
    own: dict[str, dict[str, Any]] = {
        "sft": {"data": {"path": "tiny:cold_start", "size": 40}},
        "rl": {"steps": 2},
        "distill": {"steps": 2, "teacher": "tiny-base"},
    }
    return {"name": "one", "kind": kind, **own[kind], **knobs}


def recipe(base: Path | None, *stages: dict[str, Any]) -> Recipe:
    model = {"path": str(base)} if base else None
    data = {"path": "tiny:all", "size": 60}
    return Recipe.model_validate(
        {"name": "t", "model": model, "data": data, "rewards": {"accuracy": 1}, "stages": stages}
    )


def check(one: Recipe) -> None:
    check_experts(one, one.model or Model(path=""))


@pytest.mark.parametrize("kind", ["sft", "rl", "distill"])
@pytest.mark.parametrize(
    ("knobs", "said", "cure"),
    [
        ({"router_bias": "update"}, "router_bias", "set router_bias to freeze"),
        ({"balance": 1e-4}, "balance", "set balance to 0"),
        (
            {"router_bias": "decay", "expert_balance": 1e-3},
            "router_bias and expert_balance",
            "set router_bias to freeze and expert_balance to 0",
        ),
    ],
)
def test_a_dense_model_has_nothing_to_balance(
    dense: Path, mixture: Path, kind: str, knobs: dict[str, Any], said: str, cure: str
) -> None:
    start = re.escape(f"stage 'one' sets {said}, for a model that has no routers with a bias")
    with pytest.raises(UserError, match=rf"{start}.*{re.escape(str(dense))}.*; {cure}$"):
        check(recipe(dense, stage(kind, **knobs)))
    check(recipe(dense, stage(kind)))
    check(recipe(mixture, stage(kind, **knobs)))


def test_a_stage_that_makes_a_dense_model_hands_on_nothing_to_balance() -> None:
    shape = {"name": "small", "kind": "pretrain", "documents": 9, "steps": 1}
    child = stage("sft", parent="small", balance=1e-4)
    check(recipe(None, shape, child))
    with pytest.raises(UserError, match=r"'one' sets balance.*stage 'small' makes a Llama"):
        check(recipe(None, {**shape, "llama": {}}, child))


def test_the_parent_of_a_parent_tells(dense: Path) -> None:
    second = stage("rl", name="two", parent="one", router_bias="update")
    with pytest.raises(UserError, match="stage 'two' sets router_bias"):
        check(recipe(dense, stage("sft"), second))


def test_a_checkpoint_without_a_bias_is_named(mixture: Path) -> None:
    file = mixture / "model.safetensors"
    weights = load_file(file)
    assert router_biases(Model(path=""), mixture) == {BIAS.replace("2", "1"): 8, BIAS: 8}
    del weights[BIAS]
    save_file(weights, file, metadata={"format": "pt"})
    said = rf"lacks 1 of its 2 router biases, the first is {re.escape(BIAS)};.*zeros of \[8\]"
    with pytest.raises(UserError, match=said):
        check(recipe(mixture, stage("rl")))


def test_a_config_that_hides_the_bias_is_named(mixture: Path) -> None:
    tiny_moe.edit_config(mixture, topk_method=None)
    with pytest.raises(UserError, match=r"has topk_method=None.*write \"topk_method\": \"noaux"):
        check(recipe(mixture, stage("sft", router_bias="update")))


def test_it_is_said_before_anything_is_trained(dense: Path, tmp_path: Path) -> None:
    one = recipe(
        dense,
        stage("sft", batch=16),
        stage("sft", name="two", parent="one", batch=16, balance=1e-4),
    )
    with (
        Workbench(one, RunDirectory(tmp_path / "run"), Accelerator(cpu=True)) as bench,
        pytest.raises(UserError, match="stage 'two' sets balance"),
    ):
        bench.prepare()
