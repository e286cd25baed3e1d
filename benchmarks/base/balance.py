"""Experts balanced by nothing, by V2's loss, by the router's bias, by the bias and V3's loss.

Twice, seed by seed from the same weights and on the same documents for each way: the shipped base
with routers that were bent to prefer two experts a layer, and a small mixture from nothing. Loss
and MaxVio are those of documents that were not learnt from, all of them together.

    OMP_NUM_THREADS=1 python benchmarks/base/balance.py               # fills docs/base.md
    OMP_NUM_THREADS=1 python benchmarks/base/balance.py --into ""     # prints
"""

import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer
from accelerate import Accelerator
from transformers import PreTrainedModel

sys.path.insert(0, str(Path(__file__).parents[1]))

from scaling_tables import placed, table_lines

from grpo.learning.corpus import batches, encode
from grpo.model.balance import RouterWatch, max_violation
from grpo.model.deepseek import build_config, build_model
from grpo.model.load import base_folder, load_model, load_tokenizer, quiet_loading
from grpo.objective import ObjectiveBatch, SftObjective
from grpo.recipe.sections import Architecture, Model, Optimizer
from grpo.threads import use_threads
from grpo.train.optim import learning_rate, set_learning_rate
from grpo.train.policy import Policy
from grpo.train.sequences import Sequences
from grpo.train.side import SideLosses
from grpo.train.update import update
from grpo_data.world.corpus import documents

DOCUMENT = Path(__file__).parents[2] / "docs" / "base.md"
BASE = Model(path="tiny-base")
WORDS = load_tokenizer(BASE, base_folder(BASE))
SMALL = Architecture(
    hidden_size=64, layers=3, heads=2, q_lora_rank=32, kv_lora_rank=32, intermediate_size=128,
    expert_size=32, mtp_layers=0,
)  # fmt: skip
BEND = 0.5
UNSEEN, UNSEEN_SEED = 200, 10_000
BALANCED = 1.0
"""The MaxVio from which on a router counts as balanced: twice the mean load at most."""

CPU = torch.device("cpu")
T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365}
"""Student's t, two-sided 95%, by how many numbers there are."""


@dataclass(frozen=True)
class Way:
    """A way to balance: the bias moves by `gamma`, the losses have their alphas.

    >>> Way("router bias and V3's loss", gamma=0.01, balance=1e-4)
    """

    name: str
    gamma: float = 0.0
    balance: float = 0.0
    expert_balance: float = 0.0


@dataclass(frozen=True)
class Course:
    """From which weights (a seed's), for how many steps of how many tokens, how fast.

    >>> Course("A bent router", bent, steps=40, tokens=2048, optimizer=Optimizer(lr=3e-4))
    """

    title: str
    start: Callable[[int], PreTrainedModel]
    steps: int
    tokens: int
    optimizer: Optimizer


@dataclass(frozen=True)
class Ended:
    """What came of a training: loss and MaxVio of the unseen documents, MaxVio of every step.

    >>> Ended(0.612, 0.31, (3.0, 2.9, 1.4, 0.6))
    """

    loss: float
    max_vio: float
    steps: Sequence[float]


def bent(seed: int) -> PreTrainedModel:
    """The shipped base, two experts of each layer preferred by their bias; chance says which."""
    model, chance = load_model(BASE, base_folder(BASE)), torch.Generator().manual_seed(seed)
    for router in RouterWatch(model).routers:
        preferred = torch.randperm(router.num_experts, generator=chance)[:2]
        router.e_score_correction_bias[preferred] += BEND
    return model


def from_nothing(seed: int) -> PreTrainedModel:
    """A small mixture with fresh weights."""
    torch.manual_seed(seed)
    end, pad = WORDS.eos_token_id, WORDS.pad_token_id
    return build_model(build_config(SMALL, vocab_size=len(WORDS), end=end, pad=pad))


WAYS = (
    Way("nothing"),
    Way("V2's loss, alpha 0.003", expert_balance=0.003),
    Way("V2's loss, alpha 0.1", expert_balance=0.1),
    Way("bias, gamma 0.01", gamma=0.01),
    Way("bias, gamma 0.01, and V3's loss, alpha 1e-4", gamma=0.01, balance=1e-4),
)
AGAINST = WAYS[1]
COURSES = (
    Course("The shipped base, its routers bent", bent, 32, 1024, Optimizer(lr=3e-4)),
    Course("From nothing", from_nothing, 80, 1024, Optimizer(lr=3e-3, schedule="cosine")),
)


def main(
    seeds: Annotated[int, typer.Option(help="Trainings each way, 2 to 8.", min=2, max=8)] = 4,
    into: Annotated[str, typer.Option(help="The document; empty: print.")] = str(DOCUMENT),
) -> None:
    """Train each way on each course, fill the table's place."""
    use_threads(1)
    if into:
        placed(Path(into).read_text(), "balance", "")  # a place that is missing is said at once
    with quiet_loading():
        tables = "\n\n".join("\n".join(table(course, range(1, seeds + 1))) for course in COURSES)
    if not into:
        print(tables)
        return
    document = Path(into)
    document.write_text(placed(document.read_text(), "balance", tables))


def table(course: Course, seeds: Sequence[int]) -> Iterator[str]:
    """The lines of Markdown on one course: loss and MaxVio of each way, and what it took."""
    lessons = {seed: learnt_from(course, seed) for seed in seeds}
    began = [trained(WAYS[0], course, seed, ()) for seed in seeds]
    ended = {way: [trained(way, course, seed, lessons[seed]) for seed in seeds] for way in WAYS}
    against = [one.loss for one in ended[AGAINST]]
    rows = [("before", _mean(began, "loss"), "", _mean(began, "max_vio"), "")]
    for way, runs in ended.items():
        change = [one.loss - other for one, other in zip(runs, against, strict=True)]
        difference = "" if way is AGAINST else _between(change, signed=True)
        figures = (_mean(runs, "loss"), difference, _mean(runs, "max_vio"), _balanced(runs))
        rows.append((way.name, *figures))
    heads = (
        "balanced by",
        "loss",
        f"difference from {AGAINST.name}",
        "MaxVio",
        f"step from which below {BALANCED:g}",
    )
    yield (
        f"{course.title}: {course.steps} steps of {course.tokens:,} tokens, learning rate "
        f"{course.optimizer.lr:g}, {len(seeds)} seeds.\n"
    )
    yield from table_lines(heads, rows)


def _mean(runs: Sequence[Ended], name: str) -> str:
    return _between([getattr(one, name) for one in runs])


def _between(values: Sequence[float], signed: bool = False) -> str:
    """The mean with its 95% interval over seeds."""
    mean = statistics.fmean(values)
    half = T_95[len(values)] * statistics.stdev(values) / len(values) ** 0.5
    sign = "+" if signed else ""
    return f"{mean:{sign}.3f} ({mean - half:{sign}.3f} to {mean + half:{sign}.3f})"


def _balanced(runs: Sequence[Ended]) -> str:
    """The steps from which on MaxVio stays below BALANCED, from the first seed's to the last's."""
    found = sorted(
        1 + max((n for n, vio in enumerate(one.steps, 1) if vio > BALANCED), default=0)
        for one in runs
    )
    if found[-1] > len(runs[0].steps):
        return "never" if found[0] > len(runs[0].steps) else f"{found[0]} to never"
    return f"{found[0]} to {found[-1]}"


def learnt_from(course: Course, seed: int) -> list[Sequences]:
    """The batches of a training; each document is read once."""
    read = encode(WORDS, documents(seed, course.steps * course.tokens // 30, 0.1))
    cut = batches(list(map(len, read)), steps=course.steps, budget=course.tokens, seed=seed)
    return [written([read[i] for i in batch]) for batch in cut]


def written(texts: Sequence[Sequence[int]]) -> Sequences:
    """Documents as sequences: all tokens but the first are to be predicted."""
    return Sequences([ids[:1] for ids in texts], [ids[1:] for ids in texts])


def trained(way: Way, course: Course, seed: int, lessons: Sequence[Sequences]) -> Ended:
    """One training, and the look at what it came to."""
    side = SideLosses(balance=way.balance, expert_balance=way.expert_balance)
    policy = Policy(course.start(seed), Accelerator(cpu=True), course.optimizer, side=side)
    steps = []
    for step, rows in enumerate(lessons):
        rate = learning_rate(course.optimizer, step, course.steps)
        set_learning_rate(policy.optimizer, rate)
        mask_BT = rows.mask_BT
        weights_BT = mask_BT / mask_BT.sum()
        done = update(
            policy, rows, ObjectiveBatch(mask_BT, weights_BT), SftObjective(), temperature=1.0,
            budget=course.tokens, max_grad_norm=1.0, bias_speed=way.gamma,
        )  # fmt: skip
        assert done.load_LE is not None
        steps.append(max_violation(done.load_LE))
    return Ended(*look(policy), steps)


@torch.no_grad()
def look(policy: Policy) -> tuple[float, float]:
    """Mean loss of a token and MaxVio over the unseen documents."""
    rows = written(encode(WORDS, documents(UNSEEN_SEED, UNSEEN, 0.1)))
    logprobs, tokens = 0.0, 0
    for group in rows.microbatches(4096):
        inputs = rows.inputs(group, CPU)
        with policy.watching(inputs, inputs.mask_BT):
            scores = policy.module(inputs, temperature=1.0, entropy=False)
        logprobs += float(scores.logprobs_BT.sum())
        tokens += int(inputs.mask_BT.sum())
    load_LE = policy.settle_load(0.0)
    assert load_LE is not None
    return -logprobs / tokens, max_violation(load_LE)


if __name__ == "__main__":
    typer.run(main)
