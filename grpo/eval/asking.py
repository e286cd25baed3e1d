"""From benchmarks and knobs to tasks, and the references that nobody could match refused."""

from collections.abc import Sequence

from grpo.errors import UserError
from grpo.eval.marker import ScorerOf
from grpo.eval.protocol import Knobs, deviations
from grpo.eval.sources import Loaded
from grpo.eval.task import Task, marking
from grpo.recipe.sections import Prompt, Sampling
from grpo_data.problem import Problem

NAMED = 3
"""Rows with a bad reference that are named."""


def benchmark_task(loaded: Loaded, knobs: Knobs, run: Prompt | None, *, has_template: bool) -> Task:
    """The task of one benchmark; `run` is the prompt of the checkpoint's run, if it has one."""
    line = loaded.benchmark
    own = knobs.reward in (None, line.reward)
    return Task(
        line.name,
        loaded.problems,
        knobs.put(line.style, run, has_template=has_template),
        marking(line.reward, line.reward_knobs) if own else marking(str(knobs.reward)),
        knobs.k or line.k,
        f"evaluate/{line.name}",
        {
            "source": loaded.source,
            "sha256": loaded.sha256,
            "rows": loaded.rows,
            "verified": line.verified,
            "notes": _notes(loaded),
        },
    )


def _notes(loaded: Loaded) -> list[str]:
    notes = []
    if loaded.repeated:
        notes.append(
            f"{loaded.repeated} of {loaded.rows:,} questions stand there more than once: the "
            "interval takes them for independent"
        )
    if loaded.benchmark.rows is not None and not loaded.benchmark.verified:
        notes.append(
            "its reader was tested on the published form alone, not on the file: look at a few "
            "samples before you believe the score"
        )
    return notes


def deviations_of(
    tasks: Sequence[Task], benchmarks: Sequence[Loaded], sampling: Sampling
) -> list[str]:
    """In what the tasks are not put as R1's were."""
    lines = [loaded.benchmark for loaded in benchmarks]
    prompts = [(line.style, task.prompt) for line, task in zip(lines, tasks, strict=True)]
    ks = {line.name: (task.k, line.r1_k) for line, task in zip(lines, tasks, strict=True)}
    return deviations(sampling, prompts, ks)


def check_markings(tasks: Sequence[Task], scorer_of: ScorerOf) -> None:
    """Loads the rewards, which say what is wrong with them before anything is drawn.

    Raises UserError, naming the rows, where a reference cannot be read as an answer.

    Asked of the reward itself, which skips a sample whose reference it cannot read. Benchmarks of
    the table that were verified are spared.
    """
    for task in tasks:
        scorer = scorer_of(task.marking.rewards)
        scorer.start()
        if task.about.get("verified") or task.marking.score != "accuracy":
            continue
        rows = [{"question": p.question, "answer": p.answer} for p in task.problems]
        verdicts = scorer.score([""] * len(rows), ["\\boxed{0}"] * len(rows), rows)
        pairs = zip(task.problems, verdicts, strict=True)
        bad = [p for p, verdict in pairs if verdict.outcomes["accuracy"] == "skipped"]
        if bad:
            raise UserError(_refusal(task, bad))


def _refusal(task: Task, bad: Sequence[Problem]) -> str:
    shown = ", ".join(f"{problem.id!r} ({problem.answer!r:.60})" for problem in bad[:NAMED])
    more = f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
    return (
        f"{task.name}: the answers of {len(bad)} of {len(task.problems)} rows cannot be read, so "
        f"no completion could match them: {shown}{more}; mend those rows, or name another --reward"
    )
