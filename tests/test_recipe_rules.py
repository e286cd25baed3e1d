"""Rules between knobs, and warnings: each fires on its own case, and never on a sound recipe."""

from typing import Any

import pytest

from grpo.errors import UserError
from grpo.recipe.lint import lint
from grpo.recipe.load import parse_recipe
from grpo.recipe.rules import check_semantics
from grpo.recipe.schema import Recipe

RL: dict[str, Any] = {"kind": "rl", "name": "zero", "steps": 20, "sampling": {"max_tokens": 200}}


def recipe(rl: dict[str, Any] | None = None, *more: dict[str, Any], **sections: Any) -> Recipe:
    base = {"name": "r", "model": {"path": "m"}, "data": {"path": "tiny:all"}}
    stages = [{**RL, **(rl or {})}, *more]
    return Recipe.model_validate({"rewards": {"accuracy": 1}, **base, "stages": stages, **sections})


def pretrain(**architecture: int) -> dict[str, Any]:
    numbers = {"documents": 9, "steps": 9, "architecture": architecture}
    return {"kind": "pretrain", "name": "base-model", **numbers}


def sft(**knobs: Any) -> dict[str, Any]:
    data = {"path": "tiny:cold_start", **knobs.pop("data", {})}
    return {"kind": "sft", "name": "cold", "data": data, **knobs}


EVALUATE = {"kind": "evaluate", "name": "after", "parent": "zero"}
BEST = {"kind": "evaluate", "name": "best", "parent": "cold", "selection": {"checkpoint": "best"}}
NO_HELD_OUT = {"path": "tiny:all", "held_out": 0}


def test_a_sound_recipe_breaks_no_rule_and_earns_no_warning() -> None:
    looked = sft(evaluate_every=5, data={"held_out": 0.1}, balance=1e-4)
    sound = recipe({"minibatches": 4}, EVALUATE, pretrain(), looked, BEST)
    check_semantics(sound)
    assert lint(sound) == []


@pytest.mark.parametrize(
    ("broken", "key", "sentence"),
    [
        (recipe(sampler={"max_model_len": 200}), "zero.sampling.max_tokens", "200 tokens"),
        (recipe({}, EVALUATE, sampler={"max_model_len": 512}), "after.sampling.max_tokens", "1024"),
        (recipe({"prompts": 4, "minibatches": 5}), "zero.minibatches", "5 minibatches cannot"),
        (recipe(rewards={}), "rewards", "needs at least one reward"),
        (recipe({"rewards": {}}), "zero.rewards", "needs at least one reward"),
        (
            recipe({"refill": {}, "objective": {"kl_in": "reward"}}),
            "zero.refill",
            "a group of equal rewards still learns its KL",
        ),
        (recipe({"ahead": 1}), "zero.ahead", "set objective.correction to truncate"),
        (recipe({}, EVALUATE, data=NO_HELD_OUT), "after.problems", "no problem is held out"),
        (recipe({"evaluate_every": 5}, data=NO_HELD_OUT), "zero.evaluate_every", "no problem"),
        (
            recipe({}, {**EVALUATE, "selection": {"checkpoint": "best"}}),
            "after.selection.checkpoint",
            "stage 'zero' knows no best",
        ),
        (recipe({}, sft(evaluate_every=5)), "cold.evaluate_every", "no conversation is held out"),
        (
            recipe({}, sft(balance=1e-4), model={"path": "m", "gradient_checkpointing": True}),
            "cold.balance",
            "does not go with model.gradient_checkpointing",
        ),
        (
            recipe({"expert_balance": 1e-3}, model={"path": "m", "gradient_checkpointing": True}),
            "zero.expert_balance",
            "does not go with model.gradient_checkpointing",
        ),
        (
            recipe({"share_prompts": True, "mtp_weight": 0.1}),
            "zero.mtp_weight",
            "does not go with share_prompts",
        ),
        (
            recipe({"share_prompts": True}, model={"path": "m", "attention": "eager"}),
            "zero.share_prompts",
            "needs model.attention sdpa",
        ),
        (
            recipe({}, sft(), data={"path": "tiny:all", "held_out": 0.2}),
            "cold.data.config",
            "about problems that data.held_out 0.2 keeps apart, of which the generator leaves out "
            "0.1",
        ),
        (recipe({}, sft(), BEST), "best.selection.checkpoint", "stage 'cold' knows no best"),
        (recipe(prompt={"system": "s", "chat": False}), "prompt.system", "needs prompt.chat true"),
        (
            recipe({}, pretrain(layers=2, dense_layers=2)),
            "base-model.architecture.dense_layers",
            "must be below layers 2, got 2",
        ),
        (
            recipe({}, pretrain(qk_rope_head_dim=7)),
            "base-model.architecture.qk_rope_head_dim",
            "must be even",
        ),
        (
            recipe({}, pretrain(groups_per_token=5)),
            "base-model.architecture.groups_per_token",
            "at most groups 4, got 5",
        ),
        (
            recipe({}, pretrain(experts=6)),
            "base-model.architecture.groups",
            "6 experts do not make 4 equal groups",
        ),
        (recipe({}, pretrain(experts=4)), "base-model.architecture.groups", "of two or more"),
        (
            recipe({}, pretrain(experts_per_token=5)),
            "base-model.architecture.experts_per_token",
            "reaches 4 experts",
        ),
    ],
)
def test_a_broken_rule_names_its_key(broken: Recipe, key: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        check_semantics(broken)
    said = str(caught.value).replace("key 'stages.", "key '")
    assert said.startswith(f"key {key!r}: ")
    assert sentence in said
    assert "\n" not in str(caught.value)


def test_a_broken_rule_in_a_file_comes_with_its_line() -> None:
    text = "name: r\nmodel: {path: m}\ndata: {path: p}\nrewards: {accuracy: 1}\nstages:\n"
    stage = "- {kind: rl, name: zero, steps: 1,\n   prompts: 2, minibatches: 1}\n"
    with pytest.raises(
        UserError, match=r"^r\.yaml:7: key 'stages.zero.minibatches': 3 minibatches"
    ):
        parse_recipe(text + stage.replace("minibatches: 1", "minibatches: 3"), "r.yaml")
    override = "stages.zero.minibatches=3"
    with pytest.raises(UserError, match=f"^override '{override}': key 'stages.zero.minibatches'"):
        parse_recipe(text + stage, "r.yaml", [override])


@pytest.mark.parametrize(
    ("data", "config"),
    [
        ({"path": "tiny:all", "held_out": 0.2}, {"held_out": 0.2}),
        ({"path": "problems.jsonl", "held_out": 0.2}, {}),
        ({"path": "tiny:all", "held_out": 0.05}, {}),
    ],
)
def test_conversations_may_leave_out_as_much_as_is_held_out(
    data: dict[str, Any], config: dict[str, Any]
) -> None:
    check_semantics(recipe({}, sft(data={"config": config}), data=data))


def test_best_may_be_taken_where_the_parent_looks_at_held_out_problems() -> None:
    best = {**EVALUATE, "selection": {"checkpoint": "best"}}
    check_semantics(recipe({"evaluate_every": 5}, best))


def objective(**knobs: Any) -> Recipe:
    return recipe({"objective": knobs})


@pytest.mark.parametrize(
    ("unwise", "key", "cure"),
    [
        (
            recipe({"minibatches": 2, "sampling": {"max_tokens": 9, "top_p": 0.9}}),
            "zero.sampling.top_p",
            "set top_p to 1",
        ),
        (
            recipe({"epochs": 2, "sampling": {"max_tokens": 9, "top_k": 20}}),
            "zero.sampling.top_k",
            "set top_k to 0",
        ),
        (
            recipe(
                {"objective": {"correction": "mask"}, "sampling": {"max_tokens": 9, "top_p": 0.9}}
            ),
            "zero.sampling.top_p",
            "set top_p to 1",
        ),
        (
            recipe({"refill": {"rounds": 2}, "sampling": {"max_tokens": 9, "top_p": 0.9}}),
            "zero.sampling.top_p",
            "set top_p to 1",
        ),
        (objective(clip_high=10, dual=3), "zero.objective.dual", "raise dual"),
        (objective(loss="gspo", scale="std"), "zero.objective.clip_high", "clip_high 4e-4"),
        (objective(loss="dr_grpo"), "zero.objective.scale", "set scale to none"),
        (
            objective(kl="k1", use_bias_correction_kl=True),
            "zero.objective.use_bias_correction_kl",
            "set kl to k3",
        ),
        (
            recipe(sampler={"dtype": "bfloat16"}),
            "zero.objective.correction",
            "set correction to truncate",
        ),
        (recipe(rewards={"accuracy": 0, "format": 0}), "rewards", "give one a weight"),
        (recipe({"group_size": 2}), "zero.group_size", "take 4 or more"),
        (recipe({"optimizer": {"warmup_steps": 20}}), "zero.optimizer.warmup_steps", "lower it"),
        (recipe({"evaluate_every": 21}), "zero.evaluate_every", "lower it"),
        (
            recipe({"steps": 401, "reference": {"refresh_every": 0}}),
            "zero.reference.refresh_every",
            "every 400",
        ),
        (
            recipe(sampler={"engine": "plain", "draft_tokens": 1}),
            "sampler.draft_tokens",
            "take vllm",
        ),
        (
            recipe(sampler={"engine": "plain", "tensor_parallel_size": 2}),
            "sampler.tensor_parallel_size",
            "take vllm",
        ),
        (recipe(sampler={"trust_remote_code": True}), "sampler.trust_remote_code", "set both"),
    ],
)
def test_what_is_unwise_names_its_key_and_the_cure(unwise: Recipe, key: str, cure: str) -> None:
    check_semantics(unwise)
    (warning,) = lint(unwise)
    assert warning.key.removeprefix("stages.") == key
    assert cure in warning.sentence


def test_the_looks_at_each_problem_are_counted_over_the_training_share() -> None:
    # 20 steps x 32 problems over 50 x (1 - 0.2) = 40 training problems: 640 / 40 = 16 looks
    assert lint(recipe(data={"path": "p", "size": 50, "held_out": 0.2})) == []
    # over 40 x (1 - 0.25) = 30 training problems: 640 / 30 = 21.3 looks
    (warning,) = lint(recipe(data={"path": "p", "size": 40, "held_out": 0.25}))
    assert (warning.key, warning.sentence[:42]) == (
        "stages.zero.steps",
        "each training problem is seen 21 times; ra",
    )


def test_what_two_stages_take_from_the_recipe_is_said_once() -> None:
    second = {**RL, "name": "again", "parent": "zero"}
    assert len(lint(recipe({}, second, rewards={"accuracy": 0}))) == 1
