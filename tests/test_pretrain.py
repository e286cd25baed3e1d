"""Pretraining in very small: what a step's numbers mean, and that a broken run goes on exactly."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor
from transformers import AutoModelForCausalLM

from grpo.errors import UserError
from grpo.learning.corpus import batches
from grpo.model.depth import draft_depth
from grpo.model.llama import build_llama
from grpo.model.load import load_tokenizer
from grpo.recipe.load import load_recipe
from grpo.recipe.schema import Recipe
from grpo.recipe.sections import Architecture, Data, Model, Optimizer, Track
from grpo.recipe.stages import Pretrain
from grpo.run.identity import identity
from grpo.run.named import outside
from grpo.run.run_directory import RunDirectory
from grpo.sampler.preflight import refuse
from grpo.stages.pretrain import Pretraining, run_pretrain
from grpo.workbench.workbench import Workbench

SHAPE = Architecture(
    hidden_size=32, layers=3, heads=2, q_lora_rank=16, kv_lora_rank=16, qk_nope_head_dim=8,
    qk_rope_head_dim=4, v_head_dim=8, intermediate_size=48, expert_size=16, max_position=256,
)  # fmt: skip


def stage(**knobs: Any) -> Pretrain:
    usual = {
        "architecture": SHAPE, "vocab_size": 400, "documents": 300, "steps": 6,
        "tokens_per_step": 1024, "optimizer": Optimizer(lr=5e-3), "bias_speed": 0.01,
        "balance": 0.1, "checkpoint": {"every": 2, "keep_last": 9},
    }  # fmt: skip
    return Pretrain(name="tiny", kind="pretrain", **{**usual, **knobs})


def bench(folder: Path, one: Pretrain) -> Workbench:
    recipe = Recipe(name="t", seed=3, data=Data(path="tiny:all"), track=Track(to=()), stages=(one,))
    return Workbench(recipe, RunDirectory(folder), Accelerator(cpu=True))


@pytest.fixture
def fresh(tmp_path: Path) -> Pretraining:
    return Pretraining(stage(), bench(tmp_path, stage()))


def deep(depth: int) -> Pretrain:
    """The stage with so many MTP layers."""
    return stage(architecture=SHAPE.model_copy(update={"mtp_layers": depth}))


def documents(pretraining: Pretraining) -> list[Tensor]:
    """The documents of the next step, one by one."""
    rows = pretraining._batches[pretraining.step]
    return [torch.tensor([pretraining._documents[i]]) for i in rows]


@torch.no_grad()
@pytest.mark.parametrize("depth", [1, 2])
def test_the_losses_are_those_of_each_document_alone(depth: int, tmp_path: Path) -> None:
    fresh = Pretraining(deep(depth), bench(tmp_path, deep(depth)))
    model, mtp = fresh.model, fresh.mtp
    assert mtp is not None
    next_token: list[Tensor] = []
    later: list[list[Tensor]] = [[] for _ in range(depth)]
    for ids in documents(fresh):
        hidden = model.model(ids, use_cache=False).last_hidden_state
        next_token.append(
            F.cross_entropy(model.lm_head(hidden)[0, :-1], ids[0, 1:], reduction="none")
        )
        # The k-th state at i, with the embedding of token i + k, predicts token i + k + 1.
        states = mtp(model, hidden, [ids.roll(-k, 1) for k in range(1, depth + 1)])
        for k, state in enumerate(states, start=1):
            further = model.lm_head(state)[0, : -k - 1]
            later[k - 1].append(F.cross_entropy(further, ids[0, k + 1 :], reduction="none"))
    with torch.enable_grad():
        metrics = fresh.learn()
    assert metrics["loss"] == pytest.approx(torch.cat(next_token).mean().item(), abs=2e-5)
    means = [torch.cat(one).mean().item() for one in later]
    assert metrics["mtp_loss"] == pytest.approx(sum(means) / depth, abs=2e-5)
    told = {name: value for name, value in metrics.items() if name.startswith("mtp_loss/")}
    apart = {f"mtp_loss/{k}": mean for k, mean in enumerate(means, start=1)}
    assert told == pytest.approx(apart if depth > 1 else {}, abs=2e-5)
    # Nothing is known at the start: about ln 400 = 5.99 nats.
    assert 5.8 < metrics["loss"] < 6.2


def test_a_step_counts_real_tokens_and_moves_every_weight(fresh: Pretraining) -> None:
    tokens = sum(ids.shape[1] for ids in documents(fresh))
    before = [parameter.clone() for parameter in fresh._parameters]
    metrics = fresh.learn()
    assert metrics["num_tokens"] == tokens <= 1024
    moved = [not torch.equal(new, old) for new, old in zip(fresh._parameters, before, strict=True)]
    assert all(moved)
    # Two layers of the model and that of the MTP have experts; each is 1 when even.
    assert 3 <= metrics["balance_loss"] < 6 and "expert_balance_loss" not in metrics
    (line,) = map(json.loads, fresh.bench.run.load.path.read_text().splitlines())
    assert line["layers"] == [1, 2, 3] and [sum(load) for load in line["load"]] == [2 * tokens] * 3


def test_biases_move_and_then_stand_still(tmp_path: Path) -> None:
    one = stage(bias_still=0.5)
    pretraining = Pretraining(one, bench(tmp_path, one))
    biases = []
    for _ in range(6):
        pretraining.learn()
        routers = pretraining._watch.routers
        biases.append(torch.stack([r.e_score_correction_bias.clone() for r in routers]))
    assert len(routers) == 3
    # Steps 1 to 3 move each by 0.01 or not at all, 4 to 6 move none.
    assert (biases[0].abs() - 0.01).abs().min() < 1e-6
    assert float(biases[2].abs().max()) <= 0.03 + 1e-6
    assert not torch.equal(biases[1], biases[2])
    assert torch.equal(biases[2], biases[5])


@pytest.mark.parametrize("how", ["freeze", "decay"])
def test_biases_stay_or_slow_down(tmp_path: Path, how: str) -> None:
    one = stage(router_bias=how, bias_still=0.5, expert_balance=0.1)
    pretraining = Pretraining(one, bench(tmp_path, one))
    expected = torch.zeros(3, 8)
    for speed in (0.01, 0.02 / 3, 0.01 / 3, 0.0):
        assert 3 <= pretraining.learn()["expert_balance_loss"] < 6
        *_, line = pretraining.bench.run.load.path.read_text().splitlines()
        load = torch.tensor(json.loads(line)["load"]).float()
        if how == "decay":
            expected += speed * (load.mean(-1, keepdim=True) - load).sign()
    moved = torch.stack([r.e_score_correction_bias for r in pretraining._watch.routers])
    torch.testing.assert_close(moved, expected, atol=1e-6, rtol=0)


@pytest.mark.slow
def test_it_learns_and_goes_on_exactly(tmp_path: Path) -> None:
    one = stage()
    straight = run_pretrain(one, bench(tmp_path / "straight", one), last_step=6)
    run_pretrain(one, bench(tmp_path / "broken", one), last_step=3)
    # A fourth step that nothing remembers but a line, which must not stay.
    interrupted = Pretraining(one, bench(tmp_path / "broken", one))
    assert interrupted.step == 3
    interrupted.learn()
    RunDirectory(tmp_path / "broken").metrics.append("tiny", 3, {"loss": 0.0})
    broken = run_pretrain(one, bench(tmp_path / "broken", one), last_step=6)
    for file in ("model.safetensors", "trainer/optimizer.safetensors", "tokenizer.json"):
        assert (broken / file).read_bytes() == (straight / file).read_bytes(), file
    loads = [tmp_path / name / "load.jsonl" for name in ("straight", "broken")]
    assert loads[0].read_bytes() == loads[1].read_bytes()
    assert [json.loads(line)["step"] for line in loads[0].read_text().splitlines()] == [*range(6)]
    lines = [metrics(tmp_path / name) for name in ("straight", "broken")]
    assert lines[0] == lines[1]
    losses = [line["loss"] for line in lines[0]]
    assert len(losses) == 6 and losses[-1] < losses[0] - 0.3


def test_two_mtp_layers_are_saved_and_gone_on_with(tmp_path: Path) -> None:
    one = deep(2)
    straight = run_pretrain(one, bench(tmp_path / "straight", one), last_step=2)
    run_pretrain(one, bench(tmp_path / "broken", one), last_step=1)
    broken = run_pretrain(one, bench(tmp_path / "broken", one), last_step=2)
    for file in ("model.safetensors", "trainer/optimizer.safetensors"):
        assert (broken / file).read_bytes() == (straight / file).read_bytes(), file
    assert draft_depth(straight) == 2
    assert AutoModelForCausalLM.from_pretrained(straight).config.num_nextn_predict_layers == 2


def test_lines_of_a_run_without_a_checkpoint_are_forgotten(tmp_path: Path) -> None:
    RunDirectory(tmp_path).metrics.append("tiny", 0, {"loss": 0.0})
    assert Pretraining(stage(), bench(tmp_path, stage())).step == 0
    assert metrics(tmp_path) == []


def metrics(folder: Path) -> list[dict[str, Any]]:
    """All lines, times aside."""
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [{k: v for k, v in line.items() if not k.startswith("time/")} for line in lines]


SMALL_LLAMA = {"hidden_size": 32, "layers": 2, "heads": 4, "kv_heads": 2, "intermediate_size": 48}


def test_a_dense_llama_takes_another_model_s_tokenizer(tmp_path: Path) -> None:
    teacher = run_pretrain(stage(steps=1), bench(tmp_path / "teacher", stage()), last_step=1)
    one = stage(llama=SMALL_LLAMA, tokenizer=str(teacher))
    straight = run_pretrain(one, bench(tmp_path / "straight", one), last_step=6)
    run_pretrain(one, bench(tmp_path / "broken", one), last_step=3)
    broken = run_pretrain(one, bench(tmp_path / "broken", one), last_step=6)
    assert (broken / "model.safetensors").read_bytes() == (
        straight / "model.safetensors"
    ).read_bytes()
    assert (straight / "tokenizer.json").read_bytes() == (teacher / "tokenizer.json").read_bytes()
    lines = metrics(tmp_path / "straight")
    assert lines == metrics(tmp_path / "broken") and lines[-1]["loss"] < lines[0]["loss"] - 0.3
    assert not {"mtp_loss", "balance_loss", "moe/max_vio"} & lines[0].keys()
    assert not (tmp_path / "straight" / "load.jsonl").exists()
    model = AutoModelForCausalLM.from_pretrained(straight)
    assert type(model).__name__ == "LlamaForCausalLM" and model.config.vocab_size == 400
    # Two layers: queries and output 2 x 32^2, keys and values 2 x 32 x 16, MLP 3 x 32 x 48, two
    # norms of 32; then the last norm, the embedding and the head of 400 x 32.
    assert model.num_parameters() == 2 * (2048 + 1024 + 4608 + 64) + 32 + 2 * 12800


def test_the_shipped_student_has_the_tiny_base_s_tokenizer_and_heads_vllm_takes() -> None:
    recipe = load_recipe("recipes/tiny/student.yaml")
    (one, _) = recipe.stages
    assert isinstance(one, Pretrain) and one.tokenizer == "tiny-base" and one.llama is not None
    words = load_tokenizer(Model(path=""), outside(one.tokenizer))
    model = build_llama(one.llama, vocab_size=len(words), end=1, pad=0)
    assert model.num_parameters() < 1e6
    refuse(model.config.to_dict(), recipe.sampler, cpu=True)


def test_too_few_documents_are_a_sentence_with_the_number_wanted() -> None:
    lengths = [10] * 100  # 1,000 tokens: ten steps of 100
    assert len(batches(lengths, steps=10, budget=100, seed=0)) == 10
    with pytest.raises(UserError, match=r"make 10 steps, the recipe asks for 20.*about 204"):
        batches(lengths, steps=20, budget=100, seed=0)


def test_batches_read_each_document_once_in_an_order_of_the_seed() -> None:
    lengths = [1 + (7 * n) % 60 for n in range(500)]
    cut = batches(lengths, steps=100, budget=120, seed=0)
    read = [i for batch in cut for i in batch]
    assert len(read) == len(set(read))
    assert all(max(lengths[i] for i in batch) * len(batch) <= 120 for batch in cut)
    assert cut == batches(lengths, steps=100, budget=120, seed=0)
    assert cut != batches(lengths, steps=100, budget=120, seed=1)
    # Neighbours differ in length: no march from long to short.
    longest = [max(lengths[i] for i in batch) for batch in cut]
    assert sum(abs(a - b) for a, b in pairwise(longest)) / 99 > 10


def test_another_tokenizer_makes_another_stage(tmp_path: Path) -> None:
    words = tmp_path / "words" / "tokenizer.json"
    words.parent.mkdir()
    words.write_text("{}")
    one = stage(llama=SMALL_LLAMA, tokenizer=str(words.parent))
    recipe = bench(tmp_path, one).recipe
    before = identity(one, recipe, {}).plain()
    assert identity(one, recipe, {}).changes(before) == []
    words.write_text('{"other": 1}')
    assert identity(one, recipe, {}).changes(before) == ["tokenizer is another file"]
