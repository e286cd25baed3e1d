"""`grpo audit`: what a reward pays and should not, in the terminal and as JSON.

What is tried on a reward is `grpo_rewards.audit`'s; here are the questions it is tried on, and
how the findings are shown.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from grpo.checkpoint.atomic import atomic_write
from grpo.errors import UserError
from grpo.recipe.near import did_you_mean
from grpo.recipe.strict_yaml import BadYaml, parse
from grpo_data.sources import load_problems
from grpo_rewards.audit import CLAIMS, SUITES, Report, Row, Suite, audit, questions
from grpo_rewards.audit.report import EXAMPLES, Must

WORLD = "tiny:all"
_HEADS: dict[Must, str] = {
    "pay": "to be paid",
    "refuse": "to be refused",
    "survive": "to be survived",
}
_SHOWN = 66


def audit_reward(
    reward: str,
    *,
    knobs: Sequence[str] = (),
    judges: str | None = None,
    data: str | None = None,
    question: str = "question",
    answer: str = "answer",
    answer_after: str | None = None,
    problems: int = 24,
    deadline_s: float = 3.0,
    json_path: Path | None = None,
) -> bool:
    """Print the audit of `reward` and say whether it is sound.

    `knobs` are KEY=VALUE; `judges` is a key of SUITES, by default what the reward claims; `data` a
    source for `load_problems`, by default the project's own problems. Raises UserError,
    ValueError or FileNotFoundError, in one sentence, for what is not there or cannot be read.
    """
    claim = judges or CLAIMS.get(reward.partition("@")[0], "answer")
    if claim not in SUITES:
        raise UserError(f"--judges {claim!r} is not known{did_you_mean(claim, SUITES)}")
    suite = SUITES[claim]
    columns = {"question": question, "answer": answer, "answer_after": answer_after}
    rows = _rows(suite, data, problems, columns)
    given = dict(map(_knob, knobs))
    with _without_warnings("grpo_rewards"):
        report = audit(reward, suite, questions(rows), knobs=given, deadline_s=deadline_s)
    console = Console(highlight=False)
    _show(report, console)
    if not judges and claim == "answer" and not report.standard.tells_apart:
        console.print(f"If it judges something else: --judges {', '.join(SUITES)}.")
    if json_path:
        atomic_write(json_path, json.dumps(report.to_json(), indent=1, ensure_ascii=False) + "\n")
    return not report.faults


@contextmanager
def _without_warnings(logger: str) -> Iterator[None]:
    """What fails in the reward is in the report; the log would say it a second time."""
    log = logging.getLogger(logger)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def _rows(suite: Suite, data: str | None, limit: int, columns: Mapping[str, Any]) -> list[Row]:
    if data is not None:
        found = load_problems(data, limit=limit, **columns)
    else:
        found = load_problems(WORLD, limit=limit) if suite.on_world else []
    rows = [Row(problem.question, problem.answer, problem.columns) for problem in found]
    return rows if data is not None else [*rows, *suite.rows]


def _knob(text: str) -> tuple[str, Any]:
    key, equals, raw = text.partition("=")
    if not equals or not key:
        raise UserError(f"knob {text!r}: write it as name=value")
    try:
        return key, parse(raw).tree
    except BadYaml as error:
        raise UserError(f"knob {text!r}: {error}") from error


def _show(report: Report, console: Console) -> None:
    console.print(Text(f"{report.reward} is held to: {report.judges}"))
    console.print(Text(f"asked in the layout: {report.layout}"), end="\n\n")
    console.print(_kinds(report, is_terminal=console.is_terminal))
    _show_examples(report, console)
    console.print(_numbers(report))
    for message, times in sorted(report.messages.items(), key=lambda one: -one[1])[:EXAMPLES]:
        console.print(Text(f"{times} x {message}"))
    style = "green" if not report.faults else "bold red"
    console.print(Text(f"\n{report.reward}: {report.verdict}", style))


def _kinds(report: Report, *, is_terminal: bool) -> Table:
    """A line a kind of completion; a fault has an exclamation mark."""
    table = Table(box=box.SIMPLE_HEAD if is_terminal else None, pad_edge=False, padding=(0, 1))
    table.add_column("", no_wrap=True)
    table.add_column("completions", no_wrap=True)
    table.add_column("what they are", overflow="fold")
    for column in ("paid", "of"):
        table.add_column(column, justify="right")
    faults = [*report.leaks, *report.rejects]
    for must, head in _HEADS.items():
        tallies = report.of(must)
        if tallies:
            table.add_row("", Text(head, "bold"), *[""] * 3)
        for tally in tallies:
            mark, style = ("!", "red") if tally in faults else ("", "")
            cells = (tally.name, tally.about, str(tally.paid), str(tally.cases))
            table.add_row(mark, *cells, style=style)
    return table


def _show_examples(report: Report, console: Console) -> None:
    """One completion a kind, of the first kinds at fault in each way."""
    found = [
        *[("paid", tally.name, tally.misjudged) for tally in report.leaks[:EXAMPLES]],
        *[("not paid", tally.name, tally.misjudged) for tally in report.rejects[:EXAMPLES]],
        *[("failed on", tally.name, tally.failed) for tally in report.failures[:EXAMPLES]],
    ]
    for fault, kind, measured in found:
        one = measured[0]
        value = "no value" if one.value is None else f"{one.value:g}"
        console.print(Text(f"\n{fault}: {kind} ({value}, {one.outcome})", "red"))
        console.print(Text(f"  question    {_beginning(one.question.text)}"))
        console.print(Text(f"  right       {_beginning(one.question.gold)}"))
        console.print(Text(f"  completion  {_end(one.text)}"))


def _numbers(report: Report) -> str:
    of = {must: sum(tally.cases for tally in report.of(must)) for must in _HEADS}
    median, at_99, worst = map(_time, report.time())
    return "\n".join(
        (
            f"\nfalse accepts  {report.false_accepts:,} of {of['refuse']:,}",
            f"false rejects  {report.false_rejects:,} of {of['pay']:,}",
            f"failures       {report.errors} errors, {report.timeouts} timeouts",
            f"time a sample  median {median}, 99% within {at_99}, worst {worst}",
        )
    )


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def _beginning(text: str) -> str:
    """What can be shown of a text in one line: its first characters."""
    shown = _printable(text[:_SHOWN])
    return shown if len(shown) == len(text) else f"{shown[: _SHOWN - 3]}..."


def _end(text: str) -> str:
    """The same of its last characters, where the answer stands."""
    shown = _printable(text[-_SHOWN:])
    return shown if len(shown) == len(text) else f"...{shown[3 - _SHOWN :]}"


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
