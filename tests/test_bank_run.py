"""Dynamic sampling as a command: killed between two rounds and with groups in the bank, it comes to
the same bits; and two processes fill a step as one does."""

import signal
from pathlib import Path
from typing import Any

import pytest
import tiny_run
from test_distributed import TORCHRUN
from tiny_run import Done

pytestmark = pytest.mark.slow

STEPS = 4
# Of 3 completions all are equal with chance 1/27 + 8/27.
LUCK = """
def luck(completion_ids, **columns):
    return [float(sum(ids) % 3 == 0) for ids in completion_ids]
"""
RECIPE = f"""\
name: small
seed: 8
model: {{path: tiny-base}}
data: {{path: "tiny:all", size: 200}}
rewards: {{"HERE/my.py:luck": 1.0}}
sampler: {{engine: plain, max_model_len: 256}}
runtime: {{threads: 1}}
track: {{to: []}}
stages:
  - name: zero
    kind: rl
    steps: {STEPS}
    prompts: 4
    group_size: 3
    refill: {{rounds: 3}}
    minibatches: 2
    tokens_per_microbatch: 512
    sampling: {{max_tokens: 12}}
    objective: {{beta: 0.05}}
    optimizer: {{lr: 3.0e-4}}
    reference: {{refresh_every: 3}}
    checkpoint: {{every: 3, keep_last: 1}}
"""


def run(folder: Path, *words: object, fault: str = "none", prefix: tuple[str, ...] = ()) -> Done:
    here = folder.parent.parent
    (here / "my.py").write_text(LUCK)
    recipe = here / "small.yaml"
    recipe.write_text(RECIPE.replace("HERE", str(here)))
    return tiny_run.grpo("run", recipe, "--dir", folder, *words, fault=fault, prefix=prefix)


def whole(folder: Path, *words: object, prefix: tuple[str, ...] = ()) -> Path:
    done = run(folder, *words, prefix=prefix)
    assert done.code == 0, done.err
    return folder


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole(tmp_path_factory.mktemp("house") / "straight" / "run")


def refill(folder: Path, name: str) -> list[float]:
    return [line[f"refill/{name}"] for line in tiny_run.metrics(folder)]


def test_the_run_is_worth_killing(straight: Path) -> None:
    assert max(refill(straight, "rounds")) > 1
    assert max(refill(straight, "from_bank")) > 0
    lines = tiny_run.metrics(straight)
    assert all(line["num_updates"] == 2 and line["grad_norm"] > 0 for line in lines)
    # what a step banked the next one has
    assert refill(straight, "bank")[:-1] == refill(straight, "from_bank")[1:]


def test_what_is_counted_is_what_is_on_disk(straight: Path) -> None:
    banked: list[tuple[Any, ...]] = []
    for step, rows in enumerate(tiny_run.rollouts(straight).values()):
        line = tiny_run.metrics(straight)[step]
        assert line["refill/prompts"] * 3 == len(rows)
        assert line["reward"] == pytest.approx(sum(row["reward"] for row in rows) / len(rows))
        groups = [
            tuple(row["reward"] for row in rows[at : at + 3]) for at in range(0, len(rows), 3)
        ]
        learnt = [row["learnt"] for row in rows[::3]]
        assert [at is None for at in learnt] == [len(set(group)) == 1 for group in groups]
        dead = line["frac_reward_zero_std"]
        assert dead == pytest.approx(sum(at is None for at in learnt) / len(learnt))
        assert line["refill/effective_batch"] == learnt.count(step) + len(banked)
        banked = [group for group, at in zip(groups, learnt, strict=True) if at == step + 1]
        assert line["refill/bank"] == len(banked)


def test_killed_twice_it_ends_like_one_that_was_not(straight: Path) -> None:
    folder = straight.parents[1] / "broken" / "run"
    first = run(folder, fault="refilling:1:2:KILL")
    assert first.code == -signal.SIGKILL, first.err
    assert list(tiny_run.rollouts(folder)) == ["step-000000.parquet"]
    # then with groups in the bank, the checkpoint made and the next rollout not begun
    second = run(folder, fault="refilling:3:1:KILL")
    assert second.code == -signal.SIGKILL, second.err
    assert len(tiny_run.metrics(folder)) == 3
    assert tiny_run.metrics(folder)[2]["refill/bank"] > 0
    whole(folder)
    tiny_run.assert_same_end(folder, straight, STEPS)


def test_two_processes_fill_a_step_as_one_does(
    straight: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "1")
    pair = whole(straight.parents[1] / "pair" / "run", "--max-steps", "1", prefix=TORCHRUN)
    ours, theirs = (tiny_run.rollouts(one)["step-000000.parquet"] for one in (pair, straight))
    for our, their in zip(ours, theirs, strict=True):
        # beside other requests a matrix has another shape, and its sums another order
        assert our.pop("logprobs") == pytest.approx(their.pop("logprobs"), abs=1e-5)
        assert our == their
    (line,), (other, *_) = tiny_run.metrics(pair), tiny_run.metrics(straight)
    for name in ("loss", "grad_norm", "kl", "refill/effective_batch", "refill/rounds"):
        assert line[name] == pytest.approx(other[name], abs=1e-5), name
