"""The reward_model stage in small: TRL's numbers, an exact way on, and a judge that learnt."""

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_moe
import torch
from accelerate import Accelerator
from datasets import Dataset
from small_policies import llama
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from trl import RewardConfig, RewardTrainer

from grpo.checkpoint.weights import load_weights
from grpo.errors import Stopped, UserError
from grpo.eval.intervals import wilson_limits
from grpo.learning.pair_exam import account, share_right
from grpo.model.load import check_scorable, load_scorer
from grpo.recipe.rules import broken_rules
from grpo.recipe.schema import Recipe
from grpo.recipe.sections import Model
from grpo.recipe.stages import RewardModel
from grpo.run.identity import identity
from grpo.run.run_directory import RunDirectory
from grpo.stages.reward_model import RewardTraining, run_reward_model
from grpo.workbench.pairs import shown
from grpo.workbench.workbench import Workbench
from grpo_data.mixture import Stream
from grpo_rewards import load_reward

pytestmark = pytest.mark.slow

TEMPLATE = "{% for m in messages %}{{ m['role'][0] + ':' + m['content'] + '<|end|>' }}{% endfor %}"
HEAD = f"model.layers.{tiny_moe.LAYERS}."
BIAS = "model.layers.1.mlp.gate.e_score_correction_bias"
NUMBERS = ("loss", "accuracy", "margin", "min_reward", "mean_reward", "max_reward")


def rows(count: int) -> list[dict[str, Any]]:
    """Who answers in big letters is preferred; what is thought before does not matter."""
    return [
        {
            "prompt": f"{n}+{n}?",
            "chosen": f"<think>{'hm' * (n % 3)}</think>YES {n % 7}",
            "rejected": f"<think>{'HM' * (n % 4)}</think>no, no {n % 5}",
            "kind": "even" if n % 2 == 0 else "odd",
        }
        for n in range(count)
    ]


def decided(model: Any) -> Any:
    """`model` with routers that are sure: a near tie would fall this way or that by rounding."""
    for name, weight in model.named_parameters():
        if name.endswith("mlp.gate.weight"):
            weight.data.mul_(30.0)
    return model


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two bases (a mixture with an MTP layer, a dense one) and twelve pairs."""
    tokenizer = tiny_moe.tokenizer()
    tokenizer.chat_template = TEMPLATE
    llama().save_pretrained(tmp_path / "llama")
    tiny_moe.save(decided(tiny_moe.model()), tmp_path / "mixture")
    for name in ("mixture", "llama"):
        tokenizer.save_pretrained(tmp_path / name)
    write(tmp_path, rows(12))
    return tmp_path


def write(root: Path, pairs: list[dict[str, Any]]) -> None:
    (root / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pairs))


class House:
    """A base, preferences, and runs of one reward_model stage on them."""

    def __init__(self, root: Path, base: str = "mixture", **knobs: Any) -> None:
        self.root, self.base = root, root / base
        data = {"path": str(root / "p.jsonl"), "held_out": 0.0, **knobs.pop("data", {})}
        usual = {"batch": 4, "checkpoint": {"every": 2, "keep_last": 9}}
        rate = {"lr": 1e-3, "schedule": "cosine"}
        usual["optimizer"] = rate
        self.stage = RewardModel(name="judge", kind="reward_model", data=data, **{**usual, **knobs})

    def recipe(self) -> Recipe:
        return Recipe(
            name="t",
            seed=3,
            model={"path": str(self.base)},
            data={"path": "tiny:all"},
            track={"to": ()},
            stages=(self.stage,),
        )

    def bench(self, run: str = "run") -> Workbench:
        return Workbench(self.recipe(), RunDirectory(self.root / run), Accelerator(cpu=True))

    def train(self, run: str = "run", last_step: int | None = None) -> Path:
        bench = self.bench(run)
        return run_reward_model(self.stage, bench, self.base, last_step or bench.steps(self.stage))

    def metrics(self, run: str = "run") -> list[dict[str, Any]]:
        """All lines, times aside."""
        lines = map(json.loads, (self.root / run / "metrics.jsonl").read_text().splitlines())
        return [{k: v for k, v in line.items() if not k.startswith("time/")} for line in lines]


def ids(tokenizer: Any, question: str, answer: str) -> list[int]:
    """A conversation as this file's template has it, written out by hand. The tags are special
    tokens here, and those are no completion's to write: a space stands in their place."""
    for tag in tiny_moe.SPECIALS:
        answer = answer.replace(tag, " ")
    return tokenizer(f"u:{question}<|end|>a:{answer}<|end|>")["input_ids"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("base", ["mixture", "llama"])
@pytest.mark.parametrize("microbatch", [2, 16])
def test_it_is_trl_s_trainer_number_by_number(root: Path, base: str, microbatch: int) -> None:
    lr, steps = 2e-3, 6
    optimizer = {"lr": lr, "schedule": "constant", "betas": (0.9, 0.95)}
    house = House(root, base, epochs=2, microbatch=microbatch, optimizer=optimizer)
    checkpoint = house.train()
    tokenizer = AutoTokenizer.from_pretrained(house.base)
    pairs = rows(12)
    order = Stream(pairs, 3)
    taken = [row for step in range(steps) for row in order.batch(step, 4)]
    model = load_scorer(Model(path=""), house.base, seed=3)
    trainer = RewardTrainer(
        model,
        args=RewardConfig(
            output_dir=str(root / "trl"), max_length=None, max_steps=steps, learning_rate=lr,
            per_device_train_batch_size=min(microbatch, 4), adam_beta2=0.95,
            gradient_accumulation_steps=4 // min(microbatch, 4),
            train_sampling_strategy="sequential",
            lr_scheduler_type="constant", logging_steps=1, save_strategy="no", use_cpu=True,
            bf16=False, gradient_checkpointing=False, report_to=[], disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list(
            [
                {f"{side}_ids": ids(tokenizer, row["prompt"], row[side])
                 for side in ("chosen", "rejected")}
                for row in taken
            ]
        ),
        processing_class=tokenizer,
    )  # fmt: skip
    trainer.train()
    theirs = [line for line in trainer.state.log_history if "loss" in line]
    ours = house.metrics()
    assert len(ours) == len(theirs) == steps
    for name in (*NUMBERS, "learning_rate", "num_tokens"):
        assert [line[name] for line in ours] == pytest.approx(
            [line[name] for line in theirs], rel=1e-5, abs=1e-5
        ), name
    assert ours[-1]["epoch"] == 2.0
    trained = AutoModelForSequenceClassification.from_pretrained(checkpoint).state_dict()
    for name, tensor in trainer.model.state_dict().items():
        torch.testing.assert_close(trained[name], tensor, atol=1e-4, rtol=0)


@pytest.mark.parametrize("base", ["mixture", "llama"])
def test_what_comes_out_is_a_reward_model_that_is_whole(root: Path, base: str) -> None:
    house = House(root, base, data={"held_out": 0.3})
    checkpoint = house.train()
    tensors, before = dict(load_weights(checkpoint)), dict(load_weights(house.base))
    expected = {n for n in before if not n.startswith((HEAD, "lm_head."))} | {"score.weight"}
    assert set(tensors) == expected
    model, told = AutoModelForSequenceClassification.from_pretrained(
        checkpoint, output_loading_info=True
    )
    assert not told["missing_keys"] and not told["unexpected_keys"]
    assert model.config.num_labels == 1 and model.config.architectures == [type(model).__name__]
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    assert tokenizer.chat_template == TEMPLATE and tokenizer.pad_token == "<|pad|>"
    own, bases = ((folder / "tokenizer.json").read_bytes() for folder in (checkpoint, house.base))
    assert own == bases
    if base == "mixture":
        moved = [n for n in tensors if n in before and not torch.equal(tensors[n], before[n])]
        assert any(".mlp.experts.7." in name for name in moved)
        assert torch.equal(tensors[BIAS], before[BIAS]) and BIAS in tensors
    # By hand, by the reward as a recipe would load it, and by the stage's own judge.
    reward = load_reward("reward_model", path=str(checkpoint), device="cpu")
    _, held_out = house.bench().preferences(house.stage)
    chosen = [one.chosen for one in held_out]
    questions = [str(one.prompt) for one in held_out]
    with torch.no_grad():
        by_hand = [
            float(model(torch.tensor([ids(tokenizer, q, a)])).logits[0, 0])
            for q, a in zip(questions, chosen, strict=True)
        ]
    paid = reward(prompts=["?"] * len(chosen), completions=chosen, question=questions)
    _, lines = house.bench().run.pairs("judge")
    judged = [json.loads(line)["chosen"] for line in lines.read_text().splitlines()]
    assert len(by_hand) >= 2 and len(set(by_hand)) == len(by_hand)
    assert paid == pytest.approx(by_hand, abs=1e-5) and judged == pytest.approx(by_hand, abs=1e-5)


def test_it_goes_on_exactly(root: Path) -> None:
    house = House(root, epochs=2, microbatch=2)
    straight = house.train("straight")
    house.train("broken", last_step=2)
    # A third step that nothing remembers but a line, which must not stay.
    RunDirectory(root / "broken").metrics.append("judge", 2, {"loss": 0.0})
    broken = house.train("broken")
    for name in ("model.safetensors", "trainer/optimizer.safetensors", "trainer/rng.safetensors"):
        assert (broken / name).read_bytes() == (straight / name).read_bytes(), name
    assert house.metrics("broken") == house.metrics("straight")


def test_asked_to_stop_it_saves_and_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(root, "llama", checkpoint={"every": 50})
    monkeypatch.setattr(Workbench, "agreed", lambda self, flag: True)
    with pytest.raises(Stopped, match="after step 1 of 3 of 'judge'"):
        house.train()
    monkeypatch.undo()
    assert house.bench().run.checkpoints("judge", house.stage.checkpoint).latest().step == 1  # type: ignore[union-attr]
    assert house.train().name == "step-000003"


def test_an_easy_preference_is_learnt_and_told_by_kind(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(root, rows(160))
    optimizer = {"lr": 5e-3, "schedule": "cosine"}
    data = {"held_out": 0.3}
    house = House(root, "llama", batch=16, epochs=5, optimizer=optimizer, part="answer", data=data)
    house.train()
    results, _ = house.bench().run.pairs("judge")
    found = json.loads(results.read_text())
    assert found["accuracy"]["value"] > 0.9 and found["accuracy"]["low"] > 0.8
    assert found["margin"] > 1 and set(found["by"]["kind"]) == {"even", "odd"}
    assert found["margin"] == pytest.approx(found["chosen"] - found["rejected"])
    assert f"of {found['pairs']} held-out pairs" in capsys.readouterr().out
    scores = house.bench().run.scores("judge")
    assert scores == {"accuracy": found["accuracy"]["value"], "margin": found["margin"]}
    # What was held out was not learnt: the two sides of the split share no question.
    train, held_out = house.bench().preferences(house.stage)
    assert len(train) + len(held_out) == 160 and len(held_out) == found["pairs"]
    assert not {one.key for one in train} & {one.key for one in held_out}


def test_held_out_pairs_are_counted_by_prompt() -> None:
    def line(key: str, chosen: float, kind: str = "a") -> dict[str, Any]:
        return {"key": key, "kind": kind, "chosen": chosen, "rejected": 0.0}

    found = account([line("x", 1.0), line("x", -2.0), line("y", 3.0), line("y", 0.0, "b")])
    # x: 1 of 2; y: 1 of 2, a tie is no win. Margins 1 - 2 + 3 + 0 = 2 over four pairs.
    assert found["accuracy"]["value"] == 0.5 and found["accuracy"]["n_questions"] == 2
    assert found["margin"] == 0.5 and found["pairs"] == 4
    # By kind: a has 2 of 3; b has 0 of 1, of one prompt, which bounds nothing.
    by_kind = found["by"]["kind"]
    assert {k: v["value"] for k, v in by_kind.items()} == {"a": pytest.approx(2 / 3), "b": 0.0}
    assert (by_kind["b"]["low"], by_kind["b"]["high"]) == (0.0, 1.0)
    # One kind is no kinds, and every pair's own words are none.
    alone = [{**line(key, 1.0), "asked": key} for key in map(str, range(31))]
    assert account(alone)["by"] == {}


def test_pairs_that_go_together_count_for_fewer() -> None:
    apart = share_right([[True], [True], [True], [False]] * 10)
    together = share_right([[True] * 4, [True] * 4, [True] * 4, [False] * 4] * 3)
    assert apart.value == together.value == 0.75
    # Each prompt's e_k is 4 x 0.25 or -4 x 0.75: 9 x 1 + 3 x 9 = 36, x 12/11 = 39.27; over
    # 48 x 0.75 x 0.25 = 9 it is D = 4.36, so that 48 pairs count for 11; t of 11 is 2.201.
    low, high = wilson_limits(0.75, 11.0, 2.200985)
    assert (together.low, together.high) == pytest.approx((low, high), abs=1e-6)
    assert apart.high - apart.low < together.high - together.low
    # All of 40 prompts right: as Wilson's for 40.
    assert share_right([[True, True]] * 40).low == pytest.approx(
        wilson_limits(1.0, 40, 2.022691)[0], abs=1e-6
    )


def test_held_out_may_be_a_source_of_its_own_and_is_cut_to_what_is_judged(root: Path) -> None:
    (root / "h.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(9)[5:]))
    house = House(root, data={"held_out_path": str(root / "h.jsonl")}, evaluate_pairs=3)
    train, held_out = house.bench().preferences(house.stage)
    assert len(train) == 12 and [one.prompt for one in held_out] == ["5+5?", "6+6?", "7+7?"]
    config = {"paraphrases": "held_out", "seed": 1}
    data = {"path": "tiny:helpful", "size": 20, "held_out_path": "tiny:helpful"}
    house = House(root, data={**data, "held_out_config": config}, evaluate_pairs=5)
    train, held_out = house.bench().preferences(house.stage)
    assert len(train) == 20 and len(held_out) == 5
    assert not {one.prompt for one in train} & {one.prompt for one in held_out}


def test_it_sees_the_answer_alone_or_all_of_the_last_question(root: Path) -> None:
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "How are you?"},
    ]
    said = {"chosen": "<think>so</think>Fine.", "rejected": "<think>hm</think>Bad."}
    write(root, [{"prompt": turns, "key": "how", **said}] * 4)
    house = House(root)
    train, _ = house.bench().preferences(house.stage)
    for part, expected in (("completion", said["chosen"]), ("answer", "Fine.")):
        chosen, _ = shown(train[:1], part)
        assert [turn["content"] for turn in chosen[0]] == ["How are you?", expected]
    # What differs in the thought alone is no pair for those who see the answer alone.
    write(root, [{"prompt": "?", "chosen": "<think>a</think>7", "rejected": "<think>b</think>7"}])
    house = House(root, batch=1)
    assert len(house.bench().preferences(house.stage)[0]) == 1
    with pytest.raises(UserError, match="has 0 pairs to learn from whose answers differ"):
        House(root, batch=1, part="answer").bench().prepare()


def test_a_new_head_hangs_on_the_seed_alone(root: Path) -> None:
    def head(seed: int) -> torch.Tensor:
        torch.rand(seed + 1)
        return load_scorer(Model(path=""), root / "llama", seed).score.weight.data  # type: ignore[no-any-return,union-attr]

    assert torch.equal(head(1), head(1)) and not torch.equal(head(1), head(2))
    # 32 numbers of the model's own spread, 0.3.
    assert float(head(1).std()) == pytest.approx(0.3, rel=0.4)


def test_what_cannot_be_scored_is_a_sentence(root: Path) -> None:
    (root / "c.json").write_text("{}")
    tiny_moe.edit_config(root / "llama", model_type="mamba")
    with pytest.raises(UserError, match="no sequence classifier for the architecture 'mamba'"):
        House(root, "llama").bench().prepare()
    (root / "mixture" / "chat_template.jinja").unlink()
    with pytest.raises(UserError, match="mixture has no chat template, and a reward model is"):
        check_scorable(Model(path=""), root / "mixture")
    with pytest.raises(UserError, match="12 pairs to learn from whose completions differ, and a"):
        House(root, batch=13, microbatch=1).bench().prepare()
    assert not (root / "run" / "checkpoints").exists()


def test_microbatches_that_do_not_fill_a_step_are_a_broken_rule(root: Path) -> None:
    (found,) = broken_rules(House(root, batch=4, microbatch=3).recipe())
    assert found.key == "stages.judge.microbatch" and "4 pairs a step" in found.sentence
    assert not broken_rules(House(root, batch=4, microbatch=16).recipe())


def test_a_loss_that_is_no_number_stops_before_the_step(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = RewardTrainer.compute_loss

    def spoilt(self: RewardTrainer, *args: Any, **kwargs: Any) -> Any:
        loss = good(self, *args, **kwargs)
        return loss * float("nan") if self.state.global_step == 1 else loss

    monkeypatch.setattr(RewardTrainer, "compute_loss", spoilt)
    house = House(root, "llama")
    with pytest.raises(UserError, match=r"'judge', step 1: loss nan; .* checkpoint is .*llama"):
        house.train()
    assert [line["step"] for line in house.metrics()] == [0]


def test_its_identity_is_its_data_and_its_knobs(root: Path) -> None:
    house = House(root)
    known = identity(house.stage, house.recipe(), {"base": "1"})
    assert set(known.data) == {str(root / "p.jsonl")}
    assert known.knobs["part"] == "completion" and known.knobs["optimizer.lr"] == 1e-3
    # It is shown the question, whatever the prompt makes of it.
    assert not [n for n in known.knobs if n.startswith(("sampler.", "rewards", "prompt."))]


def test_it_opens_on_its_newest_checkpoint(root: Path) -> None:
    house = House(root)
    house.train(last_step=2)
    training = RewardTraining(house.stage, house.bench(), house.base, 3)
    assert training.step == 2 and training.checkpoint.name == "step-000002"
