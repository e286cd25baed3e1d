"""Distillation: the divergences by hand and beside TRL's, soft labels in sft, the distill stage."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import tiny_moe
import torch
from accelerate import Accelerator
from largest_tensor import LargestTensor
from small_policies import MODELS, llama, policy, sequences
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from grpo.checkpoint.weights import load_weights
from grpo.errors import UserError
from grpo.objective import DIRECTIONS, ObjectiveBatch, SftObjective, Side, chunked_kl, mean_stats
from grpo.recipe.schema import Recipe
from grpo.recipe.sections import Data, SamplerConfig, Track
from grpo.recipe.stages import Distill, Sft
from grpo.run.run_directory import RunDirectory
from grpo.stages.distill import run_distill
from grpo.stages.sft import run_sft
from grpo.train.teacher import Teacher
from grpo.train.update import Update, update
from grpo.workbench.workbench import Workbench

pytestmark = pytest.mark.slow

N, D, E, V = 50, 8, 6, 97
directions = pytest.mark.parametrize("direction", DIRECTIONS)

TEMPLATE = (
    "{% for m in messages %}{{ m['role'][0] + ':' + m['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}a:{% endif %}"
)


def side(*odds: float) -> Side:
    """One token whose distribution has these odds."""
    return Side(torch.ones(1, 1), torch.tensor(odds)[:, None].log())


def kl(teacher: Side, student: Side, direction: str, temperature: float = 1.0) -> float:
    return float(chunked_kl(student, teacher, direction=direction, temperature=temperature))


def test_both_directions_by_hand() -> None:
    teacher, student = side(3.0, 1.0), side(1.0, 1.0)
    # p = 3/4, 1/4; q = 1/2, 1/2: 3/4 ln(3/2) + 1/4 ln(1/2) = .304099 - .173287
    assert kl(teacher, student, "forward") == pytest.approx(0.130812, abs=1e-6)
    # 1/2 ln(2/3) + 1/2 ln 2 = -.202733 + .346574
    assert kl(teacher, student, "reverse") == pytest.approx(0.143841, abs=1e-6)
    # Odds 9:1 at temperature 2 are 3:1, and equal odds stay equal.
    assert kl(side(9.0, 1.0), student, "forward", 2.0) == pytest.approx(0.130812, abs=1e-6)
    assert kl(side(9.0, 1.0), student, "reverse", 2.0) == pytest.approx(0.143841, abs=1e-6)
    assert kl(teacher, teacher, "forward") == kl(teacher, teacher, "reverse") == 0.0


def sides(student_rows: int = V, teacher_rows: int = V) -> tuple[Side, Side]:
    """A student and a teacher of another width, with biases, who disagree."""
    torch.manual_seed(0)

    def one(width: int, rows: int) -> Side:
        tensors = torch.randn(N, width), torch.randn(rows, width) / 2, torch.randn(rows)
        return Side(*(tensor.requires_grad_() for tensor in tensors))

    return one(D, student_rows), one(E, teacher_rows)


def logits(one: Side) -> Tensor:
    assert one.bias_V is not None
    return one.hidden_ND @ one.weight_VD.T + one.bias_V


def dense(student: Side, teacher: Side, direction: str, temperature: float) -> Tensor:
    """Slow and right: all logits at once, the gradient by autograd."""
    rows = min(len(student.weight_VD), len(teacher.weight_VD))
    logp, logq = (
        torch.log_softmax(logits(one)[:, :rows] / temperature, dim=-1) for one in (teacher, student)
    )
    if direction == "forward":
        return (logp.exp() * (logp - logq)).sum(-1)
    return (logq.exp() * (logq - logp)).sum(-1)


@directions
@pytest.mark.parametrize("chunk", [1, 7, 1024])
@pytest.mark.parametrize("rows", [(V, V), (V + 5, V), (V, V + 5)])
def test_values_and_gradients_are_those_of_the_dense_formula(
    direction: str, chunk: int, rows: tuple[int, int]
) -> None:
    student, teacher = sides(*rows)
    pull = torch.randn(N) / N
    got = chunked_kl(student, teacher, direction=direction, temperature=1.7, chunk=chunk)
    want = dense(student, teacher, direction, 1.7)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-6)
    assert got.min() > 0.01
    torch.testing.assert_close(
        torch.autograd.grad((pull * got).sum(), tuple(student)),
        torch.autograd.grad((pull * want).sum(), tuple(student)),
        rtol=1e-5,
        atol=1e-6,
    )


@directions
def test_the_teacher_gets_no_gradient(direction: str) -> None:
    student, teacher = sides()
    chunked_kl(student, teacher, direction=direction).sum().backward()
    assert student.weight_VD.grad is not None
    assert [tensor.grad for tensor in teacher] == [None] * 3


def test_no_logits_of_all_tokens_are_ever_made() -> None:
    student, teacher = sides()
    with LargestTensor() as seen:
        chunked_kl(student, teacher, direction="reverse", chunk=5).sum().backward()
    assert seen.elements == max(5 * V, V * D, N * D)


@pytest.mark.parametrize(("direction", "beta"), [("forward", 0.0), ("reverse", 1.0)])
def test_it_is_trl_s_generalized_jsd_at_its_ends(direction: str, beta: float) -> None:
    gkd = pytest.importorskip("trl.experimental.gkd")
    student, teacher = sides()
    theirs = gkd.GKDTrainer.generalized_jsd_loss(
        logits(student)[None],
        logits(teacher)[None],
        beta=beta,
        temperature=1.3,
        num_items_in_batch=N,
    )
    ours = chunked_kl(student, teacher, direction=direction, temperature=1.3).mean()
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-6)
    grads = [torch.autograd.grad(loss, tuple(student)) for loss in (ours, theirs)]
    torch.testing.assert_close(*grads, rtol=1e-5, atol=1e-6)


ROWS = sequences(9, seed=4)


def step(name: str, direction: str, hard: float, budget: int) -> tuple[Update, dict[str, Tensor]]:
    """One update of a student by soft labels at temperature 2 and hard ones, and its gradient."""
    held, objective, gradient = policy(MODELS[name]()), SftObjective(hard), {}

    def note(*_: object) -> None:
        for key, parameter in held.model.named_parameters():
            gradient[key] = torch.zeros(()) if parameter.grad is None else parameter.grad.clone()

    held.optimizer.optimizer.register_step_pre_hook(note)
    teacher = Teacher(
        tiny_moe.model(seed=5), held.accelerator, direction=direction, temperature=2.0,
        weight=1.0 - hard, scale=4.0,
    )  # fmt: skip
    tokens = float(ROWS.mask_BT.sum())
    weights = objective.weights(ROWS.mask_BT, total_sequences=len(ROWS), total_tokens=tokens)
    done = update(
        held, ROWS, ObjectiveBatch(ROWS.mask_BT, weights), objective, temperature=1.0,
        budget=budget, max_grad_norm=1e9, teacher=teacher,
    )  # fmt: skip
    return done, gradient


def plain_step(name: str, direction: str, hard: float) -> tuple[float, dict[str, Tensor]]:
    """The same from transformers' own logits, a sequence at a time, by autograd."""
    student, teacher = MODELS[name](), tiny_moe.model(seed=5)
    total = torch.zeros(())
    for prompt, completion in zip(ROWS.prompts, ROWS.completions, strict=True):
        ids = torch.tensor([[*prompt, *completion]])
        z, t = (m(ids).logits[0, len(prompt) - 1 : -1] for m in (student, teacher))
        logq, logp = (z / 2.0).log_softmax(-1), (t / 2.0).log_softmax(-1).detach()
        high, low = (logp, logq) if direction == "forward" else (logq, logp)
        nll = -z.log_softmax(-1).gather(1, torch.tensor(completion)[:, None]).sum()
        soft = (high.exp() * (high - low)).sum()
        total = total + hard * nll + (1.0 - hard) * 4.0 * soft
    loss = total / float(ROWS.mask_BT.sum())
    loss.backward()
    return loss.item(), {k: p.grad for k, p in student.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("direction", "hard"), [("forward", 0.3), ("reverse", 0.0)])
def test_an_update_is_the_plain_one_whatever_the_micro_batches(
    name: str, direction: str, hard: float
) -> None:
    loss, expected = plain_step(name, direction, hard)
    results = [step(name, direction, hard, budget) for budget in (10_000, 60, 1)]
    stats = mean_stats(results[0][0].stats)
    assert stats["kl"] > 0.1
    assert loss == pytest.approx(hard * stats["nll"] + (1 - hard) * stats["kl"], rel=1e-5)
    for done, gradient in results:
        assert done.loss == pytest.approx(loss, rel=1e-5)
        assert mean_stats(done.stats) == pytest.approx(stats, abs=1e-5)
        for key, want in expected.items():
            torch.testing.assert_close(gradient[key], want, atol=5e-6, rtol=1e-3)
    for _, gradient in results[1:]:
        for key, want in results[0][1].items():
            torch.testing.assert_close(gradient[key], want, atol=1e-6, rtol=1e-4)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A student, a teacher (a mixture) with its tokenizer, one with another; conversations."""
    words = tiny_moe.tokenizer()
    words.chat_template = TEMPLATE
    student = llama()
    student.generation_config.eos_token_id = words.eos_token_id
    student.save_pretrained(tmp_path / "student")
    tiny_moe.save(tiny_moe.model(seed=5), tmp_path / "teacher")
    tiny_moe.save(tiny_moe.model(seed=5), tmp_path / "foreign")
    for name in ("student", "teacher", "foreign"):
        words.save_pretrained(tmp_path / name)
    file = tmp_path / "foreign" / "tokenizer.json"
    file.write_text(file.read_text().replace('"<think>"', '"<thank>"'))
    rows = [{"prompt": f"{n}+{n}?", "completion": f"<answer>{2 * n}</answer>"} for n in range(12)]
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


class House:
    """A student and runs of one stage on it, by transformers' plain sampling."""

    def __init__(self, root: Path, stage: Sft | Distill, student: str = "student") -> None:
        self.root, self.stage, self.student = root, stage, root / student

    def bench(self, run: str) -> Workbench:
        recipe = Recipe(
            name="t",
            seed=3,
            model={"path": str(self.student)},
            data=Data(path="tiny:all", size=60, held_out=0.3),
            sampler=SamplerConfig(engine="plain", max_model_len=400),
            track=Track(to=()),
            stages=(self.stage,),
        )
        return Workbench(recipe, RunDirectory(self.root / run), Accelerator(cpu=True))

    def train(self, run: str, last_step: int | None = None) -> Path:
        run_it: Any = run_sft if isinstance(self.stage, Sft) else run_distill
        with self.bench(run) as bench:
            goal = last_step or bench.steps(self.stage)
            checkpoint: Path = run_it(self.stage, bench, self.student, goal)
        return checkpoint

    def metrics(self, run: str) -> list[dict[str, Any]]:
        """All lines, times aside."""
        lines = map(json.loads, (self.root / run / "metrics.jsonl").read_text().splitlines())
        return [{k: v for k, v in line.items() if not k.startswith("time/")} for line in lines]


def taught(root: Path, **knobs: Any) -> House:
    """An sft stage with a teacher."""
    teacher = {"path": str(root / "teacher"), "temperature": 2.0, "weight": 0.75, **knobs}
    stage = Sft(
        name="soft", kind="sft", data={"path": str(root / "c.jsonl")}, batch=12, epochs=3,
        teacher=teacher, optimizer={"lr": 1e-3}, checkpoint={"every": 1, "keep_last": 9},
    )  # fmt: skip
    return House(root, stage)


def on_policy(root: Path, student: str = "student", **knobs: Any) -> House:
    """A distill stage."""
    usual = {
        "teacher": str(root / "teacher"), "steps": 4, "prompts": 3, "samples": 2, "minibatches": 2,
        "tokens_per_microbatch": 500, "sampling": {"max_tokens": 12}, "optimizer": {"lr": 3e-3},
        "checkpoint": {"every": 2, "keep_last": 9},
    }  # fmt: skip
    return House(root, Distill(name="pupil", kind="distill", **{**usual, **knobs}), student)


def assert_same_end(one: Path, other: Path) -> None:
    for name in ("model.safetensors", "trainer/optimizer.safetensors"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_soft_labels_are_learnt_beside_the_hard_ones_and_gone_on_with_exactly(root: Path) -> None:
    house = taught(root)
    straight = house.train("straight")
    house.train("broken", last_step=1)
    RunDirectory(root / "broken").metrics.append("soft", 1, {"loss": 0.0, "compute/flops": 1e9})
    assert_same_end(house.train("broken"), straight)
    lines = house.metrics("straight")
    assert house.metrics("broken") == lines and len(lines) == 3
    for line in lines:
        parts = 0.75 * line["soft_loss"] + 0.25 * line["nll"]
        assert line["loss"] == pytest.approx(parts, rel=1e-6)
    assert lines[-1]["soft_loss"] < lines[0]["soft_loss"]
    # Each epoch is the same work; what a kill left written counts for nothing.
    assert len({line["compute/flops"] for line in lines}) == 1
    so_far = [line["compute/flops_so_far"] for line in lines]
    assert so_far == [math.fsum(one["compute/flops"] for one in lines[: n + 1]) for n in range(3)]


def test_a_teacher_without_weight_changes_nothing(root: Path) -> None:
    silent, alone = taught(root, weight=0.0), taught(root)
    alone.stage = alone.stage.model_copy(update={"teacher": None})
    weights = [
        AutoModelForCausalLM.from_pretrained(house.train(run)).state_dict()
        for house, run in ((silent, "silent"), (alone, "alone"))
    ]
    torch.testing.assert_close(*weights, atol=1e-7, rtol=0)
    assert [line["nll"] for line in silent.metrics("silent")] == pytest.approx(
        [line["loss"] for line in alone.metrics("alone")], rel=1e-6
    )
    assert "nll" not in alone.metrics("alone")[0]


def test_on_policy_distillation_goes_on_exactly_and_comes_nearer(root: Path) -> None:
    house = on_policy(root)
    straight = house.train("straight")
    house.train("broken", last_step=2)
    # As a kill after the third step leaves it: a rollout that was drawn, a line, no checkpoint.
    shutil.rmtree(house.train("broken", last_step=3))
    files = sorted((root / "broken" / "rollouts" / "pupil").glob("*.parquet"))
    drawn = [file.stat().st_mtime_ns for file in files]
    assert_same_end(house.train("broken"), straight)
    assert [file.stat().st_mtime_ns for file in files] == drawn
    lines = house.metrics("straight")
    assert house.metrics("broken") == lines and len(lines) == 4
    assert lines[-1]["kl"] < lines[0]["kl"]
    assert {"loss", "entropy", "parity/max", "completions/mean_length", "compute/flops"} <= {
        *lines[0]
    }
    assert all(line["num_updates"] == 2 and line["grad_norm"] > 0 for line in lines)
    assert all(line["parity/max"] < 1e-4 for line in lines)


def test_a_student_with_experts_is_balanced_too(root: Path) -> None:
    tiny_moe.save(tiny_moe.model(seed=6), root / "mixture")
    AutoTokenizer.from_pretrained(root / "teacher").save_pretrained(root / "mixture")
    knobs = {"steps": 1, "minibatches": 1, "router_bias": "update", "bias_speed": 0.01}
    house = on_policy(root, "mixture", balance=1e-3, expert_balance=1e-3, **knobs)
    before, after = (dict(load_weights(one)) for one in (house.student, house.train("run")))
    (line,) = map(json.loads, (root / "run" / "load.jsonl").read_text().splitlines())
    for layer, load in zip(line["layers"], line["load"], strict=True):
        name = f"model.layers.{layer}.mlp.gate.e_score_correction_bias"
        load_E = torch.tensor(load).float()
        expected = 0.01 * (load_E.mean() - load_E).sign()
        torch.testing.assert_close(after[name] - before[name], expected, atol=1e-6, rtol=0)
    (metrics,) = house.metrics("run")
    assert min(metrics["balance_loss"], metrics["expert_balance_loss"], metrics["kl"]) > 0
    assert "nll" not in metrics


def test_its_kl_is_that_of_the_rollout_on_disk(root: Path) -> None:
    house = on_policy(root, steps=1, minibatches=1, temperature=1.5)
    house.train("one")
    (file,) = (root / "one" / "rollouts" / "pupil").glob("*.parquet")
    rows = pq.read_table(file).to_pylist()
    assert len(rows) == 6 and all(row["reward"] is None for row in rows)
    student, teacher = (
        AutoModelForCausalLM.from_pretrained(root / name) for name in ("student", "teacher")
    )
    nats, entropies = [], []
    for row in rows:
        ids = torch.tensor([[*row["prompt_ids"], *row["token_ids"]]])
        first = len(row["prompt_ids"]) - 1
        with torch.no_grad():
            logits = [model(ids).logits[0, first:-1] for model in (student, teacher)]
        logq, logp = ((z / 1.5).log_softmax(-1) for z in logits)
        nats.append((logq.exp() * (logq - logp)).sum(-1))
        own = logits[0].log_softmax(-1)
        entropies.append(-(own.exp() * own).sum(-1))
    (line,) = house.metrics("one")
    assert line["kl"] == pytest.approx(torch.cat(nats).mean().item(), rel=1e-4)
    assert line["loss"] == pytest.approx(line["kl"], rel=1e-5)
    assert line["entropy"] == pytest.approx(torch.cat(entropies).mean().item(), rel=1e-4)
    assert line["completions/mean_length"] == sum(len(row["token_ids"]) for row in rows) / 6


def test_the_exam_is_sat_and_ranks_checkpoints(root: Path) -> None:
    house = on_policy(root, steps=2, evaluate_every=2, evaluate_problems=3)
    house.train("run")
    assert ["eval/strict" in line for line in house.metrics("run")] == [False, True]
    with house.bench("run") as bench:
        best = bench.run.checkpoints("pupil", house.stage.checkpoint).best()
    assert best is not None and best.step == 2


@pytest.mark.parametrize("make", [taught, on_policy])
def test_another_vocabulary_is_a_sentence_before_training(root: Path, make: Any) -> None:
    foreign = str(root / "foreign")
    house = make(root, **({"path": foreign} if make is taught else {"teacher": foreign}))
    sentence = r"foreign has another vocabulary than the student in .*first differ at id 2, '<th"
    with pytest.raises(UserError, match=sentence):
        house.train("run")
    with pytest.raises(UserError, match=sentence), house.bench("early") as bench:
        bench.prepare()


def test_the_same_vocabulary_in_other_bytes_is_the_same(root: Path) -> None:
    file = root / "teacher" / "tokenizer.json"
    file.write_text(json.dumps(json.loads(file.read_text())))
    assert file.read_bytes() != (root / "student" / "tokenizer.json").read_bytes()
    assert taught(root).train("run", last_step=1).is_dir()
    assert len(AutoTokenizer.from_pretrained(root / "teacher")) == 262
