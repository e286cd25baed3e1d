"""From benchmarks and knobs to tasks, and the references that nobody could match refused."""

from collections.abc import Iterator, Mapping, Sequence

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
            "verified": None if line.rows is None else loaded.is_verified,
            "notes": list(_notes(loaded)),
        },
    )


def _notes(loaded: Loaded) -> Iterator[str]:
    line = loaded.benchmark
    if loaded.repeated:
        yield (
            f"{loaded.repeated} of {loaded.rows:,} questions stand there more than once: the "
            "interval takes them for independent"
        )
    if line.rows is None:
        return
    if not line.verified or loaded.on_hub:
        yield (
            "its reader was tested on the published form alone, not on what "
            f"{'the hub has' if loaded.on_hub else 'the file holds'}: look at a few samples before "
            "you believe the score"
        )
    if loaded.rows != line.rows:
        yield f"{loaded.rows:,} rows are there and {line.rows:,} are published: this is another set"


def deviations_of(
    tasks: Sequence[Task], benchmarks: Sequence[Loaded], sampling: Sampling
) -> list[str]:
    """In what the tasks are not put as R1's were, nor judged by their benchmarks' own rewards."""
    pairs = list(zip([loaded.benchmark for loaded in benchmarks], tasks, strict=True))
    prompts = [(line.style, task.prompt) for line, task in pairs]
    ks = {line.name: (task.k, line.r1_k) for line, task in pairs}
    judged = [
        f"{line.name}: judged by {task.marking.score} (its own: {line.reward})"
        for line, task in pairs
        if task.marking.score != line.reward
    ]
    return [*deviations(sampling, prompts, ks), *judged]


Places = Mapping[str, Mapping[str, str]]
"""By task and problem id: where the row stands ("mine.jsonl:7")."""


def places_of(benchmarks: Sequence[Loaded]) -> Places:
    """Where the rows of benchmarks stand."""
    return {loaded.benchmark.name: loaded.places for loaded in benchmarks}


def check_markings(tasks: Sequence[Task], scorer_of: ScorerOf, places: Places) -> None:
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
            raise UserError(_refusal(task, bad, places.get(task.name, {})))


def _refusal(task: Task, bad: Sequence[Problem], places: Mapping[str, str]) -> str:
    rows = [(places.get(one.id, repr(one.id)), one.answer) for one in bad[:NAMED]]
    shown = ", ".join(f"{row} ({answer!r:.60})" for row, answer in rows)
    more = f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
    return (
        f"{task.name}: the answers of {len(bad)} of {len(task.problems)} rows cannot be read, so "
        f"no completion could match them: {shown}{more}; mend those rows, or name another --reward"
    )
