"""A result is a folder: what was asked (plan.json), every sample, and what they come to.

Reading needs no torch: reports, comparisons and model cards are made from what is here.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpo.checkpoint.atomic import atomic_write
from grpo.errors import UserError
from grpo.eval.row import Row, read_rows
from grpo.eval.task import Marking

FORMAT = 1
REASONED, GENERAL = "held-out", "general"
"""What a run calls its problems: those with a right answer, and those without."""

PLAN, RESULTS, SAMPLES = "plan.json", "results.json", "samples.parquet"

# What may differ between two commands of one evaluation: where things lie, and how far it goes.
_FREE = ("path", "source", "run")
_GROWING = ("k", "questions")


@dataclass(frozen=True)
class Result:
    """A finished evaluation, read back.

    >>> Result(Path("runs/eval/tiny-base-3f2a9c01"), {"tasks": {"gsm8k": ...}, ...},
    ...        {"benchmarks": {"gsm8k": {"avg": {"value": 0.31, ...}, ...}}, ...}, (row, ...))
    """

    folder: Path
    plan: Mapping[str, Any]
    results: Mapping[str, Any]
    rows: tuple[Row, ...]

    @property
    def benchmarks(self) -> Mapping[str, Mapping[str, Any]]:
        """The results by benchmark."""
        benchmarks: Mapping[str, Mapping[str, Any]] = self.results["benchmarks"]
        return benchmarks

    def rows_of(self, benchmark: str) -> list[Row]:
        """The samples of one benchmark, in order."""
        return [row for row in self.rows if row.benchmark == benchmark]

    def marking(self, benchmark: str) -> Marking:
        """How that benchmark's samples were judged."""
        return marking_in(self.plan["tasks"][benchmark])


def marking_in(task: Mapping[str, Any]) -> Marking:
    """The marking of a task as its plan holds it."""
    verdicts = {name: tuple(rewards) for name, rewards in task["verdicts"].items()}
    return Marking(task["rewards"], verdicts, task["extractor"])


def read_result(folder: Path) -> Result:
    """The result in `folder`. Raises UserError where there is none, or not yet all of it."""
    if not (folder / PLAN).is_file():
        raise UserError(
            f"{folder} is no result: it has no {PLAN}; give the folder that `grpo eval` wrote, or "
            "a run's evaluations/STAGE"
        )
    if not (folder / RESULTS).is_file() or not (folder / SAMPLES).is_file():
        raise UserError(f"{folder} is not finished: the command that began it goes on with it")
    plan, results = (json.loads((folder / name).read_text()) for name in (PLAN, RESULTS))
    if results.get("format") != FORMAT:
        raise UserError(f"{folder}/{RESULTS} has format {results.get('format')}, not {FORMAT}")
    return Result(folder, plan, results, tuple(read_rows(folder / SAMPLES)))


def write_results(folder: Path, results: Mapping[str, Any]) -> None:
    """Write results.json; it comes last, so a folder that has it is whole."""
    atomic_write(folder / RESULTS, _json({"format": FORMAT, **results}))


def claim(folder: Path, plan: Mapping[str, Any]) -> None:
    """Make `folder` this plan's, or go on with it.

    More samples a question, more questions and further benchmarks may be asked for later; what is
    there is kept. Raises UserError for a folder with another plan, or with other files.
    """
    held = folder / PLAN
    if not held.is_file():
        if folder.is_dir() and any(not _is_leftover(path) for path in folder.iterdir()):
            raise UserError(f"{folder} is not empty and holds no evaluation; give another --out")
    elif differing := next(_differences(json.loads(held.read_text()), plan), None):
        raise UserError(f"{folder} holds another evaluation ({differing}); give another --out")
    atomic_write(held, _json(plan))


def _differences(there: Any, asked: Any, key: str = "") -> Iterator[str]:
    """Where two plans are not one, in words."""
    name = key.rpartition(".")[2]
    if isinstance(there, dict) and isinstance(asked, dict):
        for part in {**there, **asked}:
            is_new_task = key == "tasks" and part not in there
            if part not in _FREE and not is_new_task:
                yield from _differences(
                    there.get(part), asked.get(part), f"{key}.{part}".strip(".")
                )
    elif name in _GROWING and isinstance(there, int) and isinstance(asked, int):
        if asked < there:
            yield f"{key} is {there} there and {asked} here, which is less"
    elif there != asked:
        yield f"{key} is {_shown(there)} there and {_shown(asked)} here"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _is_leftover(path: Path) -> bool:
    """Whether it is what an evaluation killed in its very first write leaves behind."""
    return path.name.startswith(f".tmp-{PLAN}-")


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def estimates(benchmark: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Every estimate of one benchmark's results by its name: verdicts, the means of rewards that
    look on (`NAME`), their wins (`NAME/win`) and thoughts without words (`NAME/without_words`)."""
    found = {benchmark["verdict"]: benchmark["avg"], **benchmark["scores"]}
    for name, told in benchmark.get("rewards", {}).items():
        found[name] = told["mean"]
        found |= {f"{name}/{key}": told[key] for key in ("win", "without_words") if key in told}
    return found


def names_in_common(results: Sequence[Result]) -> list[str]:
    """Benchmarks that all results have, in the first one's order."""
    return [name for name in results[0].benchmarks if all(name in r.benchmarks for r in results)]
