"""A process reward model of the tiny world, trained on the base's own thoughts, and measured.

The base answers training problems; the exact checker labels every step, the verdict every answer.
From the same base come a process reward model (a label a step) and an outcome reward model (a
label an answer). On a result of held-out problems the former is compared with the checker, step by
step; `grpo scale RESULT --by FOLDER` says what either is worth.

    python benchmarks/process_reward.py --held-out runs/tiny-128/evaluations/before
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table
from transformers import AutoTokenizer

sys.path.insert(0, str(Path(__file__).parent))

from verifier.agreement import Agreement, agreement
from verifier.examples import Example, outcome_examples, process_examples, thoughts
from verifier.train import (
    Course,
    outcome_logits,
    outcome_model,
    process_model,
    step_logits,
    train,
)

from grpo.eval.result import Result, read_result
from grpo.eval.score import by_question
from grpo.eval.steps.exact import ExactSteps
from grpo.eval.steps.model import ProcessRewardModel
from grpo.eval.steps.scorer import Thought
from grpo.model.load import base_folder
from grpo.recipe.sections import Model
from grpo.versions import versions


def main(
    held_out: Annotated[Path, typer.Option(help="A result on held-out problems.")],
    out: Annotated[Path, typer.Option(help="Where everything goes.")] = Path("runs/verifiers"),
    model: Annotated[str, typer.Option(help="The base.")] = "tiny-base",
    problems: Annotated[int, typer.Option(help="Training problems.")] = 2000,
    samples: Annotated[int, typer.Option(help="Answers to each.")] = 8,
    epochs: int = 2,
    batch: int = 64,
    lr: float = 5e-4,
    seed: int = 0,
    threads: int = 1,
) -> None:
    """Draw, train both, measure the steps."""
    torch.set_num_threads(threads)
    result = read_result(held_out)
    base = base_folder(Model(path=model))
    tokenizer = AutoTokenizer.from_pretrained(base)
    drawn = thoughts(base, tokenizer, out / "thoughts", problems, samples, seed)
    course = Course(epochs, batch, lr, seed)
    steps = list(process_examples(drawn.rows, tokenizer))
    answers = list(outcome_examples(drawn.rows, tokenizer))
    learnt = {
        "process": _made(process_model(base), step_logits, steps, course, out / "process"),
        "outcome": _made(outcome_model(base), outcome_logits, answers, course, out / "outcome"),
    }
    for name in learnt:
        tokenizer.save_pretrained(out / name)
    found = agreement(thoughts_of(result), ProcessRewardModel(out / "process"), ExactSteps(), seed)
    Console(highlight=False).print(table(found))
    document = {
        "course": asdict(course),
        "training": {"problems": problems, "samples": samples, **learnt},
        "held_out": {"questions": found.accuracy.n_questions, **asdict(found)},
        "versions": versions(),
    }
    (out / "agreement.json").write_text(json.dumps(document, indent=1))


def _made(
    model: Any, logits_of: Any, examples: Sequence[Example], course: Course, folder: Path
) -> dict[str, Any]:
    labels = [label for one in examples for label in one.labels]
    losses = train(model, logits_of, examples, course)
    model.save_pretrained(folder)
    tenth = max(1, len(losses) // 10)
    about = {
        "examples": len(examples),
        "labels": len(labels),
        "right": fmean(labels),
        "steps": len(losses),
        "first_loss": fmean(losses[:tenth]),
        "last_loss": fmean(losses[-tenth:]),
    }
    print(f"{folder}: {json.dumps(about)}", file=sys.stderr, flush=True)
    return about


def thoughts_of(result: Result) -> list[list[Thought]]:
    """The thoughts of a result by question."""
    return [
        [Thought(row.prompt, row.completion, json.loads(row.columns)) for row in group]
        for group in by_question(result.rows)
    ]


def table(found: Agreement) -> Table:
    """The agreement, a line a number."""
    accuracy = found.accuracy
    lines = {
        "steps": f"{found.steps:,} of {accuracy.n_questions:,} questions",
        "wrong by the checker": f"{found.wrong:.1%}",
        "AUC": f"{found.auc:.4f} ({found.auc_low:.4f}-{found.auc_high:.4f})",
        "accuracy": f"{accuracy.value:.2%} ({accuracy.low:.2%}-{accuracy.high:.2%})",
        "wrong steps found": f"{found.found:.1%}",
        "right steps passed": f"{found.passed:.1%}",
        "first mistake found": f"{found.first:.1%}",
    }
    shown = Table("process reward model against the checker", "", box=None, pad_edge=False)
    for name, value in lines.items():
        shown.add_row(name, value)
    return shown


if __name__ == "__main__":
    typer.run(main)
