"""Verifiers of the tiny world, trained on the base's own thoughts; the one of steps is measured.

The base answers training problems; the exact checker labels every step, the verdict every answer.
From the same base comes a process reward model (a label a step) or an outcome reward model (a label
an answer), a command each. On a result of held-out problems the former is compared with the
checker, step by step, beside what the untrained policy's own surprise says of them. What either is
worth for choosing among samples, `grpo scale RESULT --by FOLDER` says.

    python benchmarks/process_reward.py --held-out runs/scaling/evaluations/before
    python benchmarks/process_reward.py --learn outcome
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table
from transformers import AutoTokenizer

sys.path.insert(0, str(Path(__file__).parent))

from verifier.agreement import Agreement, agreement
from verifier.examples import Example, outcome_examples, process_examples, thoughts
from verifier.parts import Part
from verifier.surprise import Surprise
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
from grpo.eval.steps.cut import CLAIMS
from grpo.eval.steps.exact import ExactSteps
from grpo.eval.steps.model import ProcessRewardModel
from grpo.eval.steps.scorer import StepScorer, Thought
from grpo.model.load import base_folder
from grpo.recipe.sections import Model
from grpo.threads import use_threads
from grpo.versions import versions


@dataclass(frozen=True)
class Kind:
    """What a verifier is made of: its head on the base, how it is read, what it learns from.

    >>> Kind(process_model, step_logits, process_examples)
    """

    model: Callable[[Path], Any]
    logits: Callable[..., Any]
    examples: Callable[..., Any]


KINDS = {
    "process": Kind(process_model, step_logits, process_examples),
    "outcome": Kind(outcome_model, outcome_logits, outcome_examples),
}


def main(
    held_out: Annotated[
        Path | None, typer.Option(help="A result on held-out problems, to measure steps on.")
    ] = None,
    learn: Annotated[Literal["process", "outcome"], typer.Option(help="Which.")] = "process",
    out: Annotated[Path, typer.Option(help="Where everything goes.")] = Path("runs/verifiers"),
    model: Annotated[str, typer.Option(help="The base.")] = "tiny-base",
    problems: Annotated[int, typer.Option(help="Training problems.")] = 2000,
    samples: Annotated[int, typer.Option(help="Answers to each.")] = 8,
    measured: Annotated[int, typer.Option(help="Thoughts a held-out question.")] = 16,
    epochs: int = 1,
    batch: int = 64,
    lr: float = 5e-4,
    seed: int = 0,
    threads: int = 2,
    engine: Literal["vllm", "plain"] = "vllm",
) -> None:
    """Draw the thoughts unless they are there, train, measure."""
    use_threads(threads)
    result = read_result(held_out) if held_out else None
    base = base_folder(Model(path=model))
    tokenizer = AutoTokenizer.from_pretrained(base)
    drawn = thoughts(base, tokenizer, out / "thoughts", problems, samples, seed, engine)
    course, kind = Course(epochs, batch, lr, seed), KINDS[learn]
    examples = list(kind.examples(drawn.rows, tokenizer))
    learnt = _made(kind.model(base), kind.logits, examples, course, out / learn)
    tokenizer.save_pretrained(out / learn)
    about = {"problems": problems, "samples": samples, **asdict(course), **learnt}
    document = {"training": about, "versions": versions()}
    if learn == "process" and result is not None:
        asked = [group[:measured] for group in thoughts_of(result)]
        found = agreements(asked, base, out / learn, seed)
        Console(highlight=False).print(table(found))
        document["steps"] = {name: asdict(one) for name, one in found.items()}
    (out / f"{learn}.json").write_text(json.dumps(document, indent=1))


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


def agreements(
    asked: Sequence[Sequence[Thought]], base: Path, folder: Path, seed: int
) -> dict[str, Agreement]:
    """How far the trained model agrees with the checker, and the policy's own surprise."""
    scorers: dict[str, StepScorer] = {
        "trained": ProcessRewardModel(folder),
        "surprise": Surprise(base, CLAIMS),
    }
    return {
        f"{name}, {part}": agreement(
            asked, Part(scorer, of_sums=of_sums), Part(ExactSteps(), of_sums=of_sums), seed
        )
        for name, scorer in scorers.items()
        for part, of_sums in (("sums", True), ("conclusions", False))
    }


def thoughts_of(result: Result) -> list[list[Thought]]:
    """The thoughts of a result by question."""
    return [
        [Thought(row.prompt, row.completion, json.loads(row.columns)) for row in group]
        for group in by_question(result.rows)
    ]


def table(found: dict[str, Agreement]) -> Table:
    """A line a scorer and kind of step: how many there are, how many of them are wrong by the
    checker, and how far the scorer agrees."""
    shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for head in ("against the checker", "steps", "wrong", "AUC", "found", "passed", "first"):
        shown.add_column(head, justify="left" if head[0] == "a" else "right", no_wrap=True)
    for name, one in found.items():
        auc = f"{one.auc:.3f} ({one.auc_low:.3f}-{one.auc_high:.3f})"
        shares = (f"{share:.1%}" for share in (one.found, one.passed, one.first))
        shown.add_row(name, f"{one.steps:,}", f"{one.wrong:.1%}", auc, *shares)
    return shown


if __name__ == "__main__":
    typer.run(main)
