"""Audits as several test files ask for them: of few questions, in both languages."""

from collections.abc import Mapping
from typing import Any

from grpo_data.sources import load_problems
from grpo_rewards.audit import CLAIMS, SUITES, Report, Row, audit, questions


def rows(count: int = 8) -> list[Row]:
    problems = load_problems("tiny:all", limit=count)
    return [Row(one.question, one.answer, one.columns) for one in problems]


def audited(name: str, judges: str | None = None, deadline_s: float = 3.0, **knobs: Any) -> Report:
    suite = SUITES[judges or CLAIMS.get(name, "answer")]
    asked = questions([*(rows() if suite.on_world else []), *suite.rows])
    return audit(name, suite, asked, knobs=knobs, deadline_s=deadline_s)


def paid(report: Report) -> Mapping[str, int]:
    return {tally.name: tally.paid for tally in report.tallies}
