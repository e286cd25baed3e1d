"""Two results, benchmark by benchmark and question by question."""

from collections.abc import Iterator

from grpo.errors import UserError
from grpo.eval.paired import Comparison, compare
from grpo.eval.result import Result, names_in_common
from grpo.eval.row import Row

UNLIKE = ("prompt", "rewards", "verdicts", "k")


def compared(before: Result, after: Result) -> dict[str, Comparison]:
    """The comparison of every benchmark that both have.

    Raises UserError where they have none in common, or different questions under one name.
    """
    names = names_in_common([before, after])
    if not names:
        raise UserError(
            f"the two results have no benchmark in common: {', '.join(before.benchmarks)} in "
            f"{before.folder}, {', '.join(after.benchmarks)} in {after.folder}"
        )
    return {name: _compared(name, before, after) for name in names}


def _compared(name: str, before: Result, after: Result) -> Comparison:
    old, new = before.rows_of(name), after.rows_of(name)
    asked = {row.question_id: row.question for row in old}
    for row in new:
        if asked.get(row.question_id, row.question) != row.question:
            raise UserError(
                f"{name}: question {row.question_id!r} is another one in {after.folder} than in "
                f"{before.folder}; compare results of the same data"
            )
    return compare(_credits(old), _credits(new))


def _credits(rows: list[Row]) -> dict[str, list[bool]]:
    found: dict[str, list[bool]] = {}
    for row in rows:
        found.setdefault(row.question_id, []).append(row.correct)
    return found


def caveats(before: Result, after: Result) -> Iterator[str]:
    """In what the two were not asked alike, and what only one of them was asked."""
    for one, other in ((before, after), (after, before)):
        if alone := [name for name in one.benchmarks if name not in other.benchmarks]:
            yield f"only {one.folder} has {', '.join(alone)}"
    old, new = before.plan, after.plan
    for key in sorted({*old["sampling"], *new["sampling"]}):
        first, second = old["sampling"].get(key), new["sampling"].get(key)
        if first != second:
            yield f"they differ in {key}: {first} before, {second} after"
    for name in names_in_common([before, after]):
        for key in UNLIKE:
            first, second = old["tasks"][name][key], new["tasks"][name][key]
            if first != second:
                yield f"{name}: they differ in {key}: {first} before, {second} after"
