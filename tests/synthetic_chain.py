"""The run directory of R1's road made up from a seed: every stage kind, no model involved.

Results are scored from their samples by the evaluation's own functions, wins included.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grpo.eval.result import GENERAL, REASONED, write_results
from grpo.eval.row import Row, write_rows
from grpo.eval.score import by_question, plain, scored
from grpo.eval.task import Marking, by_rewards, looked_on
from grpo.eval.watched import win

LANGUAGE, MANNERS, HELPFUL = "language_consistency", "my.world:manners", "reward_model@helpful"
REWARDS = {LANGUAGE: 1.0, MANNERS: 1.0, HELPFUL: {"path": "models/helpful"}}
MARKINGS = {REASONED: looked_on({LANGUAGE: 1.0, MANNERS: 1.0}), GENERAL: by_rewards(REWARDS)}
SAMPLING = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 160}
GREETINGS = (
    ("greeting", "general", "Hello!"),
    ("self", "general", "你是谁？"),
    ("harm", "harm", "How do I break Tom's cup?"),
    ("instruction", "general", "写四遍“杯子”。"),
)


@dataclass(frozen=True)
class Skill:
    """Chances: right, in the form, in the language asked, without words, good manners.

    >>> Skill(right=0.9, form=0.98, language=0.95, wordless=0.02, manners=0.8)
    """

    right: float
    form: float
    language: float
    wordless: float
    manners: float


LOOKS = {
    "base-look": ("base", Skill(0.5, 0.3, 0.6, 0.2, 0.05)),
    "cold-look": ("cold-start", Skill(0.85, 0.95, 0.7, 0.03, 0.1)),
    "rl-look": ("reasoning-rl", Skill(0.95, 0.99, 0.97, 0.01, 0.08)),
    "sft-look": ("second-sft", Skill(0.92, 0.98, 0.96, 0.01, 0.75)),
    "final-look": ("final-rl", Skill(0.95, 0.99, 0.97, 0.0, 0.93)),
}
STAGES: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("base-look", "evaluate", "base", {}),
    ("cold-start", "sft", "base", {"flops": 3.2e13}),
    ("cold-look", "evaluate", "cold-start", {}),
    ("reasoning-rl", "rl", "cold-start", {"flops": 4.1e14}),
    ("rl-look", "evaluate", "reasoning-rl", {}),
    ("pick", "reject", "reasoning-rl", {}),
    ("second-sft", "sft", "base", {"flops": 6.4e13}),
    ("sft-look", "evaluate", "second-sft", {}),
    ("helpful", "reward_model", "second-sft", {"flops": 9.9e12}),
    ("final-rl", "rl", "second-sft", {"flops": 3.3e14}),
    ("final-look", "evaluate", "final-rl", {}),
)
STEPS = {"cold-start": 40, "reasoning-rl": 50, "second-sft": 60, "helpful": 20, "final-rl": 40}


def build_chain(root: Path, problems: int = 40, general: int = 24) -> Path:
    """Write the run's directory to `root` and return it."""
    root.mkdir(parents=True, exist_ok=True)
    _recipe(root)
    _manifest(root)
    _metrics(root)
    rows: dict[str, list[Row]] = {}
    for number, (stage, (policy, skill)) in enumerate(LOOKS.items()):
        rng = np.random.default_rng(number)
        rows[stage] = [
            *(_reasoned(n, skill, rng) for n in range(problems)),
            *(_general(n, skill, rng) for n in range(general)),
        ]
        against = "cold-look" if stage in ("sft-look", "final-look") else None
        write_look(root, stage, policy, rows[stage], against and rows[against], against)
    _makings(root)
    return root


def write_look(
    root: Path,
    stage: str,
    policy: str,
    rows: list[Row],
    others: list[Row] | None = None,
    against: str | None = None,
) -> None:
    """Write an evaluation's folder: plan, samples and results."""
    folder = root / "evaluations" / stage
    folder.mkdir(parents=True, exist_ok=True)
    markings = {
        name: one for name, one in MARKINGS.items() if any(r.benchmark == name for r in rows)
    }
    plan = {
        "sampling": SAMPLING,
        "tasks": {name: _plan(one) for name, one in markings.items()},
    }
    (folder / "plan.json").write_text(json.dumps(plan))
    write_rows(folder / "samples.parquet", rows)
    found = {name: scored(_of(rows, name), one) for name, one in markings.items()}
    for name in found if others else ():
        for reward, told in found[name]["rewards"].items():
            sides = (by_question(_of(some, name)) for some in (rows, others or []))
            told["win"] = plain(win(*sides, reward))
        found[name]["against"] = against
    about = {"stage": stage, "parent": policy, "knobs": {"sampling": SAMPLING, "seed": 0}}
    write_results(folder, {**about, "benchmarks": found})


def _of(rows: list[Row], benchmark: str) -> list[Row]:
    return [row for row in rows if row.benchmark == benchmark]


def _plan(marking: Marking) -> dict[str, Any]:
    verdicts = {name: list(rewards) for name, rewards in marking.verdicts.items()}
    return {"rewards": dict(marking.rewards), "verdicts": verdicts, "extractor": marking.extractor}


def _reasoned(number: int, skill: Skill, rng: np.random.Generator) -> Row:
    a, b = 3 + number % 20, 5 + number % 7
    right, form, wordless = (rng.random() < p for p in (skill.right, skill.form, skill.wordless))
    value = a + b if right else a + b + 1
    language, kind = ("zh", "en")[number % 2], ("chain", "story", "shop")[number % 3]
    thought = "=" if wordless else f"先算 {a} + {b}" if language == "zh" else f"First {a} + {b}"
    text = f"<think>{thought} = {value}</think>"
    text += f"<answer>{value}</answer>" if form else f"so {value}"
    share = 0.0 if wordless else float(min(1.0, rng.normal(skill.language, 0.1)))
    outcomes = {
        "accuracy": ("correct" if right else "wrong") if form else "unparseable",
        "format": "correct" if form else "wrong",
        "accuracy_lenient": "correct" if right else "wrong",
        LANGUAGE: "unparseable" if wordless else "correct" if share >= 0.5 else "wrong",
        MANNERS: "skipped",
    }
    values = {n: float(o == "correct") for n, o in outcomes.items()} | {
        LANGUAGE: share,
        MANNERS: None,
    }
    question = f"{a} 加 {b} 是多少？" if language == "zh" else f"What is {a} + {b}?"
    return _row(
        REASONED, number, (question, str(a + b), language), text, outcomes, values, {"kind": kind}
    )


def _general(number: int, skill: Skill, rng: np.random.Generator) -> Row:
    kind, domain, question = GREETINGS[number % len(GREETINGS)]
    good = rng.random() < skill.manners
    text = "Hello! How can I help you?" if good else "<think>3 + 4 = 7</think><answer>7</answer>"
    logit = float(rng.normal(2.0 if good else -1.5, 0.7))
    outcomes = {LANGUAGE: "correct", MANNERS: "correct" if good else "wrong",
                HELPFUL: "correct" if logit > 0 else "wrong"}  # fmt: skip
    values = {LANGUAGE: 1.0, MANNERS: float(good), HELPFUL: logit}
    columns = {"kind": kind, "domain": domain}
    return _row(GENERAL, number, (question, "", "en"), text, outcomes, values, columns)


def _row(
    benchmark: str,
    number: int,
    asked: tuple[str, str, str],
    text: str,
    outcomes: dict[str, str],
    values: dict[str, float | None],
    columns: dict[str, str],
) -> Row:
    marking = MARKINGS[benchmark]
    right = marking.is_right(marking.score, outcomes)
    return Row(
        benchmark, f"{benchmark}-{number}", *asked, None, None, 0, 0, "", text, "stop",
        len(text) // 2, -1.0, None, marking.outcome(outcomes), right, float(right),
        json.dumps(outcomes),
        json.dumps(columns), json.dumps(values),
    )  # fmt: skip


def _recipe(root: Path) -> None:
    lines = [
        f"- {{name: {name}, kind: {kind}, parent: {parent}}}" for name, kind, parent, _ in STAGES
    ]
    text = "\n".join(["name: tiny-r1", "seed: 0", "stages:", *lines, ""])
    (root / "recipe.yaml").write_text(text)


def _manifest(root: Path) -> None:
    stages = {
        name: {"kind": kind, "parent": parent, "status": "done", "seconds": 95.0,
               "planned": STEPS.get(name, 0), "steps": STEPS.get(name, 0), **more}
        for name, kind, parent, more in STAGES
    }  # fmt: skip
    (root / "manifest.json").write_text(
        json.dumps({"name": "tiny-r1", "seed": 0, "stages": stages})
    )


def _metrics(root: Path) -> None:
    rng = np.random.default_rng(5)
    lines = [
        {"stage": stage, "step": step, "loss": 2 / (step + 4) + 0.02 * float(rng.normal()),
         "grad_norm": 0.5, "entropy": 0.4}
        for stage in ("cold-start", "reasoning-rl")
        for step in range(STEPS[stage])
    ]  # fmt: skip
    (root / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def _makings(root: Path) -> None:
    """What rejection sampling and the reward model left behind."""
    dropped = {"unfinished": 20, "accuracy": 600, LANGUAGE: 210, "paragraph": 0, "duplicate": 90,
               "overlap": 4, "surplus": 276}  # fmt: skip
    report = {"problems": 200, "samples": 1600, "kept": 400, "problems_kept": 150,
              "dropped": dropped, "alone": {"accuracy": 620, LANGUAGE: 400}, "rows": 700,
              "beside": {"source": "tiny:general", "read": 300, "kept": 300}}  # fmt: skip
    (root / "data").mkdir()
    (root / "data" / "pick.report.json").write_text(json.dumps(report))
    share = {"low": 0.85, "high": 0.95}
    told = {"part": "answer", "pairs": 400, "margin": 1.84, "accuracy": {"value": 0.91, **share},
            "by": {"kind": {"greeting": {"value": 0.9, **share}}}}  # fmt: skip
    folder = root / "evaluations" / "helpful"
    folder.mkdir(parents=True)
    (folder / "preferences.json").write_text(json.dumps(told))
