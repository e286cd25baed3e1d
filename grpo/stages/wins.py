"""Wins of one evaluation over an earlier one: by every reward, on every prompt.

The earlier samples are judged here, by the later stage's rewards: a reward model may not have been
there yet when they were drawn.
"""

from pathlib import Path
from typing import Any

from grpo.eval.marker import ScorerOf
from grpo.eval.rejudge import judged_again
from grpo.eval.result import Result, read_result, write_results
from grpo.eval.score import by_question, plain
from grpo.eval.task import Marking, by_rewards
from grpo.eval.watched import win


def count_wins(folder: Path, against: Path, scorer_of: ScorerOf) -> None:
    """Write into the results in `folder` how often each reward that looks on prefers its samples
    to those in `against`. Raises UserError where `against` is no finished result."""
    ours, theirs = read_result(folder), read_result(against)
    found = {
        name: {**told, **_beaten(name, ours, theirs, scorer_of)}
        for name, told in ours.benchmarks.items()
    }
    write_results(folder, {**ours.results, "benchmarks": found})


def _beaten(name: str, ours: Result, theirs: Result, scorer_of: ScorerOf) -> dict[str, Any]:
    marking, rows = ours.marking(name), theirs.rows_of(name)
    if not marking.watched or not rows:
        return {}
    other = by_question(judged_again(rows, _watching(marking), scorer_of))
    mine = by_question(ours.rows_of(name))
    rewards = {
        reward: {**told, "win": plain(win(mine, other, reward))}
        for reward, told in ours.benchmarks[name]["rewards"].items()
    }
    return {"against": theirs.folder.name, "rewards": rewards}


def _watching(marking: Marking) -> Marking:
    return by_rewards({name: marking.rewards[name] for name in marking.watched})
