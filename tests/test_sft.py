"""The sft stage in small: TRL's numbers, an answer that ends by itself, and an exact way on."""

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_moe
import torch
from accelerate import Accelerator
from small_policies import llama
from transformers import AutoModelForCausalLM

from grpo.checkpoint.weights import load_weights
from grpo.errors import UserError
from grpo.learning.tuning import Tuning
from grpo.recipe.schema import Recipe
from grpo.recipe.sections import SamplerConfig, Sampling
from grpo.recipe.stages import Sft
from grpo.report import write_report
from grpo.run.identity import identity
from grpo.run.run_directory import RunDirectory
from grpo.sampler import open_sampler
from grpo.stages.sft import run_sft
from grpo.types import Request
from grpo.workbench.workbench import Workbench

pytestmark = pytest.mark.slow

TEMPLATE = (
    "{% for m in messages %}{{ m['role'][0] + ':' + m['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}a:{% endif %}"
)
HEAD = f"model.layers.{tiny_moe.LAYERS}."
FLAT = {"schedule": "constant", "betas": (0.9, 0.95)}


def completion(number: int) -> str:
    return f"<think>{'hm ' * (number % 4)}</think><answer>{2 * number}</answer>"


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {
            "prompt": [{"role": "user", "content": f"{n}+{n}?"}],
            "completion": [{"role": "assistant", "content": completion(n)}],
        }
        for n in range(count)
    ]


# Rounding grows from step to step through the gradient, whose norm shows it first.
RELATIVE = {"grad_norm": 1e-4}


def decided(model: Any) -> Any:
    """`model` with routers that are sure: a near tie would fall this way or that by rounding."""
    for name, weight in model.named_parameters():
        if name.endswith("mlp.gate.weight"):
            weight.data.mul_(30.0)
    return model


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two bases (a mixture with an MTP layer, a dense one) and twelve conversations."""
    tokenizer = tiny_moe.tokenizer()
    tokenizer.chat_template = TEMPLATE
    dense = llama()
    dense.generation_config.eos_token_id = tokenizer.eos_token_id
    dense.save_pretrained(tmp_path / "llama")
    tiny_moe.save(decided(tiny_moe.model()), tmp_path / "mixture")
    for name in ("mixture", "llama"):
        tokenizer.save_pretrained(tmp_path / name)
    lines = "".join(json.dumps(row) + "\n" for row in rows(12))
    (tmp_path / "c.jsonl").write_text(lines)
    return tmp_path


class House:
    """A base, conversations, and runs of one sft stage on them."""

    def __init__(self, root: Path, base: str = "mixture", **knobs: Any) -> None:
        self.root, self.base = root, root / base
        data = {"path": str(root / "c.jsonl"), **knobs.pop("data", {})}
        usual = {"batch": 4, "checkpoint": {"every": 3, "keep_last": 9}}
        self.stage = Sft(name="cold", kind="sft", data=data, **{**usual, **knobs})

    def bench(self, run: str = "run") -> Workbench:
        recipe = Recipe(
            name="t",
            seed=3,
            model={"path": str(self.base)},
            data={"path": "tiny:all"},
            track={"to": ()},
            stages=(self.stage,),
        )
        return Workbench(recipe, RunDirectory(self.root / run), Accelerator(cpu=True))

    def tune(self, run: str = "run", last_step: int | None = None) -> Path:
        bench = self.bench(run)
        return run_sft(self.stage, bench, self.base, last_step or bench.steps(self.stage))

    def metrics(self, run: str = "run") -> list[dict[str, Any]]:
        """All lines, times aside."""
        lines = map(json.loads, (self.root / run / "metrics.jsonl").read_text().splitlines())
        return [{k: v for k, v in line.items() if not k.startswith("time/")} for line in lines]

    def loads(self, run: str = "run") -> str:
        return (self.root / run / "load.jsonl").read_text()


@pytest.mark.parametrize("base", ["mixture", "llama"])
@pytest.mark.parametrize("packing", [0, 90])
def test_it_is_trl_s_trainer_number_by_number(root: Path, base: str, packing: int) -> None:
    """All rows in every step, so that the two orders of rows are one."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    lr, steps = 5e-3, 4
    knobs = {"optimizer": {"lr": lr, **FLAT}, "packing": packing, "tokens_per_microbatch": 100}
    house = House(root, base, batch=12, epochs=steps, **knobs)
    checkpoint = house.tune()
    trainer = SFTTrainer(
        AutoModelForCausalLM.from_pretrained(house.base, experts_implementation="eager"),
        args=SFTConfig(
            output_dir=str(root / "trl"), completion_only_loss=True, max_length=None,
            per_device_train_batch_size=12, max_steps=steps, learning_rate=lr, adam_beta2=0.95,
            lr_scheduler_type="constant", logging_steps=1, save_strategy="no", use_cpu=True,
            bf16=False, gradient_checkpointing=False, report_to=[], disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list(rows(12)),
        processing_class=Tuning(house.stage, house.bench("other"), house.base).tokenizer,
    )  # fmt: skip
    trainer.train()
    theirs = [line for line in trainer.state.log_history if "loss" in line]
    ours = house.metrics()
    assert len(ours) == len(theirs) == steps
    for name in ("loss", "grad_norm", "entropy", "mean_token_accuracy", "num_tokens", "epoch"):
        expected = [line[name] for line in theirs]
        assert [line[name] for line in ours] == pytest.approx(
            expected, rel=RELATIVE.get(name, 1e-5), abs=1e-5
        ), name
    assert ours[-1]["loss"] < ours[0]["loss"] - 1 and ours[-1]["mean_token_accuracy"] > 0.1
    tuned = AutoModelForCausalLM.from_pretrained(checkpoint).state_dict()
    for name, tensor in trainer.model.state_dict().items():
        # Four steps of AdamW move a weight by up to 2e-2, one of hardly any gradient too.
        torch.testing.assert_close(tuned[name], tensor, atol=1e-4, rtol=0)


def test_the_answer_that_was_learnt_ends_by_itself(root: Path) -> None:
    optimizer = {"lr": 2e-2, "schedule": "cosine", "final_lr_share": 0.0}
    house = House(root, "llama", epochs=40, optimizer=optimizer)
    checkpoint = house.tune()
    tuning = Tuning(house.stage, house.bench(), house.base)
    asked = tuning.transcribe(house.bench().conversations(house.stage)[0])
    sampler = open_sampler(checkpoint, SamplerConfig(engine="plain", max_model_len=512))
    sampling = Sampling(temperature=1.0, max_tokens=200)
    requests = [Request(tuple(prompt), seed) for seed, (prompt, _) in enumerate(asked)]
    drawn = sampler.sample(requests, sampling)
    assert [one.finish_reason for one in drawn] == ["stop"] * 12
    assert all(one.token_ids[-1] == tuning.tokenizer.eos_token_id for one in drawn)
    assert [one.text for one in drawn] == [completion(number) for number in range(12)]


def test_with_lambda_the_mtp_layer_learns_and_without_it_is_carried(root: Path) -> None:
    before = dict(load_weights(root / "mixture"))
    shared = (HEAD + "embed_tokens.weight", HEAD + "shared_head.head.weight")
    for weight, run in ((0.3, "learns"), (0.0, "carried")):
        house = House(root, mtp_weight=weight, router_bias="update", bias_speed=0.01)
        after = dict(load_weights(house.tune(run)))
        own = {name for name in before if name.startswith(HEAD) and name not in shared}
        changed = {name for name in own if not torch.equal(before[name], after[name])}
        assert changed == (own if weight else set())
        # The engine reads the draft's embedding and head there, and they are the policy's.
        assert torch.equal(after[shared[0]], after["model.embed_tokens.weight"])
        assert torch.equal(after[shared[1]], after["lm_head.weight"])
        assert not torch.equal(after["lm_head.weight"], before["lm_head.weight"])
        assert ("mtp_loss" in house.metrics(run)[0]) is bool(weight)


@pytest.mark.parametrize(
    ("knob", "speeds"),
    [("freeze", (0, 0, 0)), ("update", (0.03, 0.03, 0.03)), ("decay", (0.03, 0.02, 0.01))],
)
def test_router_biases_move_as_the_policy_says(
    root: Path, knob: str, speeds: tuple[float, ...]
) -> None:
    house = House(root, router_bias=knob, bias_speed=0.03, epochs=1, balance=1e-3)
    before, after = dict(load_weights(house.base)), dict(load_weights(house.tune()))
    loads = [line["load"] for line in map(json.loads, house.loads().splitlines())]
    for place, layer in enumerate((1, 2)):
        name = f"model.layers.{layer}.mlp.gate.e_score_correction_bias"
        expected = before[name].clone()
        for speed, load in zip(speeds, loads, strict=True):
            load_E = torch.tensor(load[place]).float()
            expected += speed * (load_E.mean() - load_E).sign()
        torch.testing.assert_close(after[name], expected, atol=1e-6, rtol=0)
        assert torch.equal(after[name], before[name]) is (knob == "freeze")
    for line in house.metrics():
        assert line["moe/max_vio"] > 0 and line["balance_loss"] > 2 and 0 <= line["moe/dead"] < 1


def test_the_held_out_loss_is_that_of_what_was_not_learnt(root: Path) -> None:
    house = House(root, "llama", epochs=6, evaluate_every=2, data={"held_out": 0.3}, batch=3)
    house.tune()
    lines = house.metrics()
    looked = [line for line in lines if "eval_loss" in line]
    assert [line["step"] for line in looked] == list(range(1, len(lines), 2))
    train, held_out = house.bench().conversations(house.stage)
    assert len(train) + len(held_out) == 12 and len(held_out) >= 2
    tuning = Tuning(house.stage, house.bench("fresh"), house.base)
    nats: list[torch.Tensor] = []
    for prompt, said in tuning.transcribe(held_out):
        with torch.no_grad():
            logp = tuning.policy.model(torch.tensor([[*prompt, *said]])).logits[0].log_softmax(-1)
        nats.append(-logp[range(len(prompt) - 1, len(prompt) + len(said) - 1), list(said)])
    assert tuning.look(tuning.transcribe(held_out)) == pytest.approx(
        {"eval_loss": float(torch.cat(nats).mean())}, abs=1e-5
    )


def test_every_epoch_holds_every_conversation_and_the_rate_falls_to_its_end(root: Path) -> None:
    house = House(root, "llama", epochs=2, batch=5, optimizer={"lr": 1e-3, "schedule": "cosine"})
    bench = house.bench()
    # 24 conversations in steps of 5: the last one is filled up.
    assert bench.steps(house.stage) == 5
    house.tune()
    lines = house.metrics()
    assert [line["epoch"] for line in lines] == pytest.approx([5 * n / 12 for n in range(1, 6)])
    # cos(pi x 4/5) = -0.809: 1e-3 x (0.1 + 0.9 x 0.5 x (1 - 0.809)) at the last of five steps.
    assert lines[0]["learning_rate"] == 1e-3
    assert lines[-1]["learning_rate"] == pytest.approx(1.8594e-4, rel=1e-4)


def test_it_goes_on_exactly(root: Path) -> None:
    knobs = {"mtp_weight": 0.1, "balance": 1e-3, "router_bias": "update", "packing": 90}
    house = House(root, evaluate_every=2, data={"held_out": 0.2}, **knobs)
    straight = house.tune("straight")
    house.tune("broken", last_step=2)
    # A third step that nothing remembers but a line, which must not stay.
    interrupted = Tuning(house.stage, house.bench("broken"), house.base)
    assert interrupted.step == 2
    RunDirectory(root / "broken").metrics.append("cold", 2, {"loss": 0.0})
    broken = house.tune("broken")
    for name in ("model.safetensors", "trainer/optimizer.safetensors"):
        assert (broken / name).read_bytes() == (straight / name).read_bytes(), name
    assert house.metrics("broken") == house.metrics("straight")
    assert house.loads("broken") == house.loads("straight")


def test_the_best_checkpoint_is_that_of_the_lowest_held_out_loss(root: Path) -> None:
    knobs = {"evaluate_every": 1, "data": {"held_out": 0.3}, "batch": 3, "epochs": 4}
    house = House(root, "llama", optimizer={"lr": 0.1, **FLAT}, **knobs)
    house.stage = house.stage.model_copy(
        update={"checkpoint": house.stage.checkpoint.model_copy(update={"every": 1})}
    )
    house.tune()
    best = house.bench().run.checkpoints("cold", house.stage.checkpoint).best()
    losses = [line["eval_loss"] for line in house.metrics()]
    assert best is not None and best.step - 1 == losses.index(min(losses))


@pytest.mark.parametrize(
    ("base", "knobs", "sentence"),
    [
        ("llama", {"mtp_weight": 0.1}, r"asks for mtp_weight 0.1.*llama has no multi-token"),
        ("llama", {"batch": 13}, "has 12 conversations to learn from and 0 held out; a step takes"),
        (
            "llama",
            {"evaluate_every": 1, "data": {"held_out": 1e-9}},
            "12 conversations to learn from and 0 held out; .* a look at least 1",
        ),
    ],
)
def test_what_cannot_be_tuned_is_a_sentence(
    root: Path, base: str, knobs: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        House(root, base, **knobs).tune()


def test_a_conversation_longer_than_the_model_is_named(root: Path) -> None:
    long = {"prompt": "?", "completion": "x" * 3000, "id": "endless"}
    (root / "c.jsonl").write_text(json.dumps(long) + "\n")
    with pytest.raises(UserError, match=r"conversation 'endless' has 3\d\d\d tokens, and the mod"):
        House(root, "llama", batch=1).tune()


def test_a_base_without_a_chat_template_is_named(root: Path) -> None:
    tiny_moe.tokenizer().save_pretrained(root / "llama")
    (root / "llama" / "chat_template.jinja").unlink(missing_ok=True)
    with pytest.raises(ValueError, match=r"llama' has no chat template: set chat: false"):
        House(root, "llama").tune()


def test_a_loss_that_is_no_number_stops_before_the_step(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from grpo.objective import SftObjective

    good = SftObjective.__call__
    monkeypatch.setattr(SftObjective, "__call__", lambda *args: (good(*args)[0] * float("nan"), {}))
    with pytest.raises(UserError, match=r"'cold', step 0: loss nan.*was not taken.*llama; a lower"):
        House(root, "llama").tune()


def test_its_identity_is_its_data_its_prompt_and_its_knobs(root: Path) -> None:
    house = House(root)
    recipe = house.bench().recipe
    known = identity(house.stage, recipe, {"base": "1"})
    assert set(known.data) == {str(root / "c.jsonl")}
    assert known.knobs["prompt.user"] == "{question}" and known.knobs["epochs"] == 2
    # What only sampling or problems hang on is nothing to it.
    assert not [name for name in known.knobs if name.startswith(("sampler.", "rewards"))]
    assert "data.answer" not in known.knobs


def test_a_knob_that_came_later_changes_nothing_at_its_default(root: Path) -> None:
    house = House(root)
    recipe = house.bench().recipe
    old = identity(house.stage, recipe, {"base": "1"}).plain()
    for knob in ("balance", "optimizer.lr"):
        del old["knobs"][knob]  # as if an earlier version had not had it
    (changed,) = identity(house.stage, recipe, {"base": "1"}).changes(old)
    assert changed.startswith("optimizer.lr null -> ")  # the stage sets this one


def test_the_report_draws_what_it_logs(root: Path) -> None:
    house = House(root, mtp_weight=0.1, evaluate_every=2, data={"held_out": 0.3}, batch=3)
    house.tune()
    page = write_report(root / "run").read_text()
    for words in ("held out", "multi-token", "Token accuracy", "Busiest expert", "Load of experts"):
        assert words in page
