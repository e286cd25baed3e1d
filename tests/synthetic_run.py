"""A run directory made up from a seed: shaped like a real R1-Zero run, no model involved.

The numbers in its files agree with each other: rewards in the metrics are means over the rows of
the rollouts, scores in the evaluations are means over their tables of answers.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from grpo.eval.row import Row, write_rows
from grpo.eval.score import scored
from grpo.eval.task import HELD_OUT

HOSTILE = '</script><script>alert("x")</script><b>&amp;</b><!-- <img src=x onerror=alert(1)>'
OUTCOMES = ("correct", "wrong", "unparseable", "timeout", "error")
KINDS = ("chain", "story", "compare")


@dataclass(frozen=True)
class Shape:
    """How big a run to make up.

    >>> Shape(steps=60, planned=60, prompts=32, group=16, problems=1000)
    """

    steps: int = 12
    planned: int = 12
    prompts: int = 4
    group: int = 4
    problems: int = 60
    evaluate_every: int = 4
    finished: bool = True
    pretrain_steps: int = 0


def build_run(root: Path, shape: Shape | None = None, seed: int = 7) -> Path:
    """Write a run directory to `root` and return it."""
    shape = shape or Shape()
    rng = np.random.default_rng(seed)
    root.mkdir(parents=True, exist_ok=True)
    _recipe(root, shape)
    _manifest(root, shape)
    _evaluation(root, "before", "base", _skill(0.0), shape, rng)
    if shape.finished:
        _evaluation(root, "after", "zero", _skill(1.0), shape, rng)
    lines = [_pretrain_line(step, shape, rng) for step in range(shape.pretrain_steps)]
    for step in range(shape.steps):
        rows = _rollout(root, step, shape, rng)
        lines.append(_line(step, rows, shape, rng))
    (root / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return root


def _skill(progress: float) -> tuple[float, float, float]:
    """Chance to keep the form, to think in full, and to be right when thinking."""
    rise = 1 / (1 + math.exp(-9 * (progress - 0.45)))
    return 0.42 + 0.56 * rise, 0.35 + 0.6 * rise, 0.7 + 0.22 * rise


def _problem(number: int, rng: np.random.Generator) -> dict[str, str]:
    kind, chinese = KINDS[number % 3], number % 4 == 3
    a, b, c = (int(value) for value in rng.integers(2, 40, 3))
    total = a + b if kind != "compare" else max(a, b)
    if kind == "chain":
        total = a + b - c
        question = f"计算 {a} + {b} - {c}。" if chinese else f"What is {a} + {b} - {c}?"
    elif kind == "story":
        question = (
            f"小明有 {a} 个苹果，妈妈又给了他 {b} 个。他一共有多少个苹果？"
            if chinese
            else f"Mia has {a} apples & picks {b} more. How many apples does she have now?"
        )
    else:
        question = f"{a} 和 {b} 哪个大？" if chinese else f"Which is larger, {a} or {b}?"
    language = "zh" if chinese else "en"
    return {
        "problem_id": f"{kind}-{number:05d}", "kind": kind, "language": language,
        "question": question, "answer": str(total),
    }  # fmt: skip


def _completion(
    problem: dict[str, str], skill: tuple[float, float, float], rng: np.random.Generator
) -> dict[str, Any]:
    form, think, right = (rng.random() < share for share in (skill[0], skill[1], skill[2]))
    right = right if think else rng.random() < 0.2
    value = problem["answer"] if right else str(int(problem["answer"]) + int(rng.integers(1, 9)))
    thought = ""
    if think:
        thought = (
            f"先看题目：{problem['question']}一步一步算，\n得到 {value}。"
            if problem["language"] == "zh"
            else f"The question: {problem['question']}\nStep by step, that makes {value}."
        )
    text = f"<think>{thought}</think><answer>{value}</answer>" if form else f"{thought} {value}"
    if rng.random() < 0.01:
        text += HOSTILE
    truncated = rng.random() < 0.03 * (1 - skill[0])
    return {
        "completion": text[:-12] if truncated else text,
        "finish_reason": "length" if truncated else "stop",
        "strict": bool(form and right and not truncated),
        "lenient": bool(right and not truncated),
        "format": bool(form and not truncated),
    }


def _evaluation(
    root: Path, stage: str, parent: str, skill: tuple[float, float, float], shape: Shape,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    problems = np.random.default_rng(99)
    asked = [_problem(number, problems) for number in range(shape.problems)]
    rows = [_row(problem, _completion(problem, skill, rng)) for problem in asked]
    folder = root / "evaluations" / stage
    folder.mkdir(parents=True)
    write_rows(folder / "samples.parquet", rows)
    sampling = {"temperature": 0.6, "top_p": 0.95}
    results = {
        "stage": stage, "parent": parent, "knobs": {"sampling": sampling, "seed": 7},
        "benchmarks": {"held-out": scored(rows, HELD_OUT)},
    }  # fmt: skip
    (folder / "results.json").write_text(json.dumps(results, indent=1))


def _row(problem: dict[str, str], answer: dict[str, Any]) -> Row:
    """A judged sample, the verdicts being those `_completion` chose."""
    strict, lenient, form = (answer[name] for name in ("strict", "lenient", "format"))
    outcomes = {
        "accuracy": "correct" if strict else "wrong",
        "accuracy_lenient": "correct" if lenient else "wrong",
        "format": "correct" if form else "wrong",
    }
    return Row(
        "held-out", problem["problem_id"], problem["question"], problem["answer"],
        problem["language"], None, None, 0, 0, "", answer["completion"], answer["finish_reason"],
        len(answer["completion"]), None, None, HELD_OUT.outcome(outcomes), strict, float(strict),
        json.dumps(outcomes), json.dumps({"kind": problem["kind"]}),
    )  # fmt: skip


def _rollout(root: Path, step: int, shape: Shape, rng: np.random.Generator) -> list[dict[str, Any]]:
    skill = _skill(step / shape.planned)
    rows: list[dict[str, Any]] = []
    for prompt in range(shape.prompts):
        problem = _problem(10_000 + step * shape.prompts + prompt, rng)
        group = [_scored(step, sample, problem, skill, rng) for sample in range(shape.group)]
        rewards = np.array([row["reward"] for row in group])
        spread = rewards.std(ddof=1)
        for row in group:
            row["group"] = prompt
            row["advantage"] = float((row["reward"] - rewards.mean()) / (spread + 1e-4))
        rows += group
    folder = root / "rollouts" / "zero"
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / f"step-{step:06d}.parquet")
    return rows


def _scored(
    step: int, sample: int, problem: dict[str, str], skill: tuple[float, float, float],
    rng: np.random.Generator,
) -> dict[str, Any]:  # fmt: skip
    completion = _completion(problem, skill, rng)
    outcome = "correct" if completion["strict"] else "wrong"
    if not completion["format"]:
        outcome = "unparseable" if rng.random() < 0.98 else "timeout"
    tokens = max(3, len(completion["completion"]) // 3)
    return {
        "step": step, "problem_id": problem["problem_id"], "sample": sample,
        "question": problem["question"], "answer": problem["answer"],
        "prompt": f"<|user|>{problem['question']}<|assistant|>",
        "completion": completion["completion"],
        "reward": float(completion["strict"]) + float(completion["format"]),
        "reward/accuracy": float(completion["strict"]), "outcome/accuracy": outcome,
        "reward/format": float(completion["format"]),
        "outcome/format": "correct" if completion["format"] else "wrong",
        "finish_reason": completion["finish_reason"], "seed": step * 1000 + sample,
        "prompt_ids": [1, 2, 3], "token_ids": list(range(tokens)), "logprobs": [-0.1] * tokens,
    }  # fmt: skip


def _line(
    step: int, rows: list[dict[str, Any]], shape: Shape, rng: np.random.Generator
) -> dict[str, Any]:
    progress = (step + 1) / shape.planned
    rewards = np.array([row["reward"] for row in rows])
    groups = rewards.reshape(shape.prompts, shape.group)
    lengths = [len(row["token_ids"]) for row in rows]
    jitter = float(rng.normal(1, 0.08))
    line: dict[str, Any] = {
        "stage": "zero", "step": step, "reward": rewards.mean(),
        "reward_std": groups.std(axis=1, ddof=1).mean(),
        "frac_reward_zero_std": float((groups.std(axis=1) == 0).mean()),
        "completions/mean_length": float(np.mean(lengths)),
        "completions/mean_terminated_length": float(np.mean(lengths)) * 0.98,
        "completions/min_length": min(lengths), "completions/max_length": max(lengths),
        "completions/clipped_ratio": float(np.mean([r["finish_reason"] == "length" for r in rows])),
        "loss": 0.02 * float(rng.normal()), "kl": 0.09 * progress * jitter,
        "entropy": (0.9 - 0.6 * progress) * jitter, "grad_norm": 0.8 * abs(jitter),
        "learning_rate": 3e-4 * min(1.0, (step + 1) / 5), "clip_ratio/low_mean": 0.004 * jitter**2,
        "clip_ratio/high_mean": 0.007 * jitter**2, "clip_ratio/region_mean": 0.011 * jitter**2,
        "sampling/sampling_logp_difference/mean": 2e-6 * jitter**2,
        "sampling/sampling_logp_difference/max": 3e-5 * jitter**4,
        "parity/mean": 1.9e-6 * jitter**2, "parity/max": 1.2e-5 * jitter**4,
        "num_tokens": (step + 1) * sum(lengths), "num_updates": 4.0,
        "moe/max_vio": 0.6 * abs(jitter), "my_own/brevity": 0.5 * jitter,
    }  # fmt: skip
    for name in ("accuracy", "format"):
        values = np.array([row[f"reward/{name}"] for row in rows])
        line |= {f"rewards/{name}/mean": values.mean(), f"rewards/{name}/std": values.std(ddof=1)}
        found = [row[f"outcome/{name}"] for row in rows]
        line |= {f"outcomes/{name}/{o}": found.count(o) / len(found) for o in OUTCOMES}
    line |= _times(step, shape, jitter)
    if (step + 1) % shape.evaluate_every == 0:
        form, think, right = _skill(progress)
        known = think * right + (1 - think) * 0.2
        line |= {"eval/strict": known * form, "eval/lenient": known, "eval/format": form}
        line["eval/accuracy_given_format"] = known
    return line


def _times(step: int, shape: Shape, jitter: float) -> dict[str, float]:
    times = {"sampling": 2.9, "rewards": 0.3, "logprobs": 0.9, "update": 3.4, "sync": 0.2}
    times = {f"time/{name}": value * abs(jitter) for name, value in times.items()}
    if (step + 1) % shape.evaluate_every == 0:
        times["time/evaluate"] = 1.8
    if (step + 1) % 10 == 0:
        times["time/checkpoint"] = 0.6
    return {**times, "time/step": sum(times.values()) + 0.1}


def _pretrain_line(step: int, shape: Shape, rng: np.random.Generator) -> dict[str, Any]:
    loss = 0.7 + 6 * math.exp(-6 * step / shape.pretrain_steps) + 0.05 * float(rng.normal())
    return {
        "stage": "pretrain", "step": step, "loss": loss, "mtp_loss": loss * 1.1,
        "balance_loss": 1.0 + 0.1 * float(rng.normal()), "max_vio": 0.4 * abs(float(rng.normal())),
        "learning_rate": 2e-3 * (1 - step / shape.pretrain_steps), "grad_norm": 0.6,
        "num_tokens": step * 8192, "time/step": 1.1 + 0.1 * float(rng.normal()),
    }  # fmt: skip


def _recipe(root: Path, shape: Shape) -> None:
    (root / "recipe.yaml").write_text(
        "name: tiny-r1-zero\nseed: 7\nrewards: {accuracy: 1.0, format: 1.0}\nstages:\n"
        "- {name: before, kind: evaluate, parent: base}\n"
        f"- {{name: zero, kind: rl, parent: base, steps: {shape.planned}}}\n"
        "- {name: after, kind: evaluate, parent: zero}\n"
    )


def _manifest(root: Path, shape: Shape) -> None:
    done = {"status": "done", "parent": "base"}
    stages: dict[str, Any] = {"before": {"kind": "evaluate", "seconds": 21.4, **done}}
    if shape.pretrain_steps:
        stages["pretrain"] = {"kind": "pretrain", "seconds": 2460.0, "status": "done"}
    if shape.finished:
        stages["zero"] = {"kind": "rl", "seconds": 8.1 * shape.steps, "steps": shape.steps, **done}
        stages["after"] = {"kind": "evaluate", "parent": "zero", "seconds": 19.8, "status": "done"}
    manifest = {"name": "tiny-r1-zero", "created": "2026-11-22T10:15:00+00:00", "seed": 7,
                "versions": {"grpo-reasoning": "0.1.0", "torch": "2.13.0", "vllm": "0.32.0"},
                "stages": stages}  # fmt: skip
    (root / "manifest.json").write_text(json.dumps(manifest, indent=1))
