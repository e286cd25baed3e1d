"""Two results, benchmark by benchmark and question by question."""

from collections.abc import Iterator, Mapping
from typing import Any

from grpo.errors import UserError
from grpo.eval.paired import Comparison, compare
from grpo.eval.result import Result, names_in_common
from grpo.eval.row import Row
from grpo.eval.task import Marking
from grpo.eval.watched import measured

UNLIKE = ("prompt", "rewards", "verdicts", "k")

Credits = dict[str, list[float]]
"""By question, what its samples are worth."""


def compared(before: Result, after: Result, measure: str | None = None) -> dict[str, Comparison]:
    """The comparison of every benchmark that both have, each by its score, or by the verdict or
    reward named `measure` where it has that.

    Where nothing is right or wrong, the score is `shared_reward`. What is no share is left out.
    Raises UserError where nothing is left, and for different questions under one name.
    """
    names = names_in_common([before, after])
    if not names:
        raise UserError(
            f"the two results have no benchmark in common: {', '.join(before.benchmarks)} in "
            f"{before.folder}, {', '.join(after.benchmarks)} in {after.folder}"
        )
    found = {}
    for name in names:
        _refuse_others(name, before, after)
        by = measure or shared_reward(name, before, after)
        old, new = (_credits(result, name, by) for result in (before, after))
        if _are_shares(old) and _are_shares(new):
            found[name] = compare(old, new)
    if not found:
        raise UserError(_nothing_to_compare(before, after, measure))
    return found


def shared_reward(name: str, before: Result, after: Result) -> str | None:
    """Of a benchmark where nothing is right or wrong, the first reward in `after` that both know;
    None for any other benchmark, and where there is none."""
    old, new = before.marking(name), after.marking(name)
    if old.verdicts or new.verdicts:
        return None
    return next((reward for reward in new.rewards if reward in old.rewards), None)


def _refuse_others(name: str, before: Result, after: Result) -> None:
    asked = {row.question_id: row.question for row in before.rows_of(name)}
    for row in after.rows_of(name):
        if asked.get(row.question_id, row.question) != row.question:
            raise UserError(
                f"{name}: question {row.question_id!r} is another one in {after.folder} than in "
                f"{before.folder}; compare results of the same data"
            )


def _credits(result: Result, name: str, measure: str | None) -> Credits:
    """What the samples are worth by `measure`, else by the score; questions of whose samples it
    says nothing are left out."""
    marking, found = result.marking(name), Credits()
    for row in result.rows_of(name):
        if (credit := _credit(row, marking, measure)) is not None:
            found.setdefault(row.question_id, []).append(credit)
    return found


def _credit(row: Row, marking: Marking, measure: str | None) -> float | None:
    if measure is None:
        return float(row.correct) if marking.verdicts else None
    if measure in marking.verdicts:
        return float(marking.is_right(measure, row.found()))
    return measured(row, measure)


def _are_shares(credits: Credits) -> bool:
    """Whether there are any, all between nothing and all; a reward model's logits are not."""
    values = [credit for samples in credits.values() for credit in samples]
    return bool(values) and all(0 <= value <= 1 for value in values)


def _nothing_to_compare(before: Result, after: Result, measure: str | None) -> str:
    what = f"a share called {measure!r}" if measure else "a score that is a share"
    known = {
        name
        for result in (before, after)
        for benchmark in result.benchmarks
        for name in (*result.marking(benchmark).verdicts, *result.marking(benchmark).rewards)
    }
    return (
        f"no benchmark has {what} in {before.folder} and in {after.folder}; they know "
        f"{', '.join(sorted(known))}"
    )


def caveats(
    before: Result, after: Result, found: Mapping[str, Comparison], measure: str | None = None
) -> Iterator[str]:
    """In what the two were not asked alike, what is not compared, and what is compared where
    nothing is right or wrong."""
    for one, other in ((before, after), (after, before)):
        if alone := [name for name in one.benchmarks if name not in other.benchmarks]:
            yield f"only {one.folder} has {', '.join(alone)}"
    for name in names_in_common([before, after]):
        if name not in found:
            yield f"{name} is not compared: it has no {measure or 'score'} that is a share"
    old, new = before.plan, after.plan
    for key in sorted({*old["sampling"], *new["sampling"]}):
        first, second = old["sampling"].get(key), new["sampling"].get(key)
        if first != second:
            yield f"they differ in {key}: {first} before, {second} after"
    for key in sorted(old["engine"].keys() & new["engine"].keys()):
        first, second = old["engine"][key], new["engine"][key]
        if first != second:
            yield f"they differ in {key}: {first} before, {second} after"
    for name in names_in_common([before, after]):
        reward = None if measure else shared_reward(name, before, after)
        if reward and name in found:
            yield f"{name}: nothing is right or wrong there; compared is the mean of {reward}"
        tasks = [_telling(plan["tasks"][name], measure or reward) for plan in (old, new)]
        for key in UNLIKE:
            first, second = (task[key] for task in tasks)
            if first != second:
                yield f"{name}: they differ in {key}: {_unlike(first, second)}"


def _telling(task: Mapping[str, Any], measure: str | None) -> dict[str, Any]:
    """The task's plan without rewards that only look on."""
    judging = {name for names in task["verdicts"].values() for name in names} | {measure}
    rewards = {name: knobs for name, knobs in task["rewards"].items() if name in judging}
    return {**task, "rewards": rewards}


def _unlike(first: Any, second: Any) -> str:
    """Both values, of tables the entries alone that differ."""
    if not isinstance(first, dict) or not isinstance(second, dict):
        return f"{first} before, {second} after"
    keys = [key for key in {**first, **second} if first.get(key) != second.get(key)]
    return "; ".join(
        f"{key} {_said(first, key)} before, {_said(second, key)} after" for key in keys
    )


def _said(table: dict[str, Any], key: str) -> str:
    return repr(table[key]) if key in table else "not there"
