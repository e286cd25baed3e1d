"""The stages side by side: a row a checkpoint, a column a measure, the best of each marked.

Problems with a right answer and those without have a table each. Every cell is text already.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grpo.eval.result import GENERAL, REASONED
from grpo.eval.watched import is_of_language
from grpo.report.scores import NONE, Score, amount, amount_interval, number, read_score
from grpo.report.stage_rows import Found, Policy
from grpo.report.text import short_name

BENCHMARKS = {
    REASONED: ("Reasoning", "problems with a right answer"),
    GENERAL: ("General prompts", "judged by rewards alone"),
}
_VERDICTS = (
    ("strict", "right, in the form"),
    ("lenient", "last number right"),
    ("format", "in the form"),
)


@dataclass(frozen=True)
class Measure:
    """A column: `path` leads to its estimate in a benchmark's results. `ranked`: more is better.

    >>> Measure("helpful", "mean score", ("rewards", "reward_model@helpful", "mean"), share=False)
    """

    head: str
    note: str
    path: tuple[str, ...]
    share: bool = True
    ranked: bool = True

    def score(self, found: Found) -> Score | None:
        """The estimate; None where the results have none."""
        for step in self.path[:-1]:
            found = found.get(step, {})
        return read_score(found, self.path[-1])


@dataclass(frozen=True)
class Cell:
    """A measure of a checkpoint as text, with its 95% interval, and what must be known beside.

    >>> Cell("71.2%", "68.3-73.9", "", is_best=True)
    """

    value: str
    interval: str = ""
    aside: str = ""
    is_best: bool = False


@dataclass(frozen=True)
class StageTable:
    """One benchmark's table; `rows` are the policies with their cells under `measures`.

    >>> StageTable("Reasoning", "problems with ...", "1,000 problems", measures, rows)
    """

    title: str
    note: str
    asked: str
    measures: tuple[Measure, ...]
    rows: tuple[tuple[Policy, tuple[Cell, ...]], ...]


def stage_tables(policies: Sequence[Policy]) -> list[StageTable]:
    """A table for each benchmark that any checkpoint was asked."""
    return [
        _table(benchmark, title, note, asked)
        for benchmark, (title, note) in BENCHMARKS.items()
        if (asked := [policy for policy in policies if benchmark in policy.found])
    ]


def measures_of(policies: Sequence[Policy], benchmark: str) -> list[Measure]:
    """What can be told of the benchmark: verdicts, rewards that say something of it, wins."""
    found = [policy.found[benchmark] for policy in policies if benchmark in policy.found]
    score = found[0]["verdict"]
    verdicts = [
        Measure(name, note, ("avg",) if name == score else ("scores", name))
        for name, note in _VERDICTS
    ]
    rewards = dict.fromkeys(name for one in found for name in one.get("rewards", {}))
    means = [_mean(name, found) for name in rewards]
    wins = [
        Measure(f"{short_name(name)} wins", "ties half", ("rewards", name, "win"), ranked=False)
        for name in rewards
        if not is_of_language(name)
    ]
    return [one for one in (*verdicts, *means, *wins) if any(map(one.score, found))]


def _mean(reward: str, found: Sequence[Found]) -> Measure:
    told = [one["rewards"][reward] for one in found if reward in one.get("rewards", {})]
    share = all(one.get("share", True) for one in told)
    note = "share of words" if is_of_language(reward) else "mean" if share else "mean score"
    return Measure(short_name(reward), note, ("rewards", reward, "mean"), share)


def _table(benchmark: str, title: str, note: str, policies: Sequence[Policy]) -> StageTable:
    measures = measures_of(policies, benchmark)
    every = [policy.found[benchmark] for policy in policies]
    made_of = {policy.stages[benchmark]: policy.label for policy in policies}
    columns = [_column(measure, every, made_of) for measure in measures]
    columns.append([Cell(_length(found)) for found in every])
    length = Measure("length", "tokens", ("mean_tokens",), share=False, ranked=False)
    rows = zip(policies, zip(*columns, strict=True), strict=True)
    return StageTable(title, note, _asked(every), (*measures, length), tuple(rows))


def _column(measure: Measure, every: Sequence[Found], made_of: Mapping[str, str]) -> list[Cell]:
    """The measure of every row; `made_of` is the checkpoint that an evaluate stage was of."""
    scores = [measure.score(found) for found in every]
    known = [score.mean for score in scores if score is not None]
    is_telling = measure.ranked and len(set(known)) > 1
    return [
        Cell(
            amount(score, measure.share),
            amount_interval(score, measure.share),
            _aside(measure, found, made_of) if score else "",
            is_telling and score is not None and score.mean == max(known),
        )
        for score, found in zip(scores, every, strict=True)
    ]


def _aside(measure: Measure, found: Found, made_of: Mapping[str, str]) -> str:
    """The share of thoughts without words beside a language; whom a win is over."""
    _, *rest = measure.path
    if rest and rest[-1] == "win" and "against" in found:
        return f"over {made_of.get(found['against'], found['against'])}"
    told: Mapping[str, Any] = found.get("rewards", {}).get(rest[0], {}) if rest else {}
    wordless = read_score(told, "without_words") if rest[-1:] == ["mean"] else None
    return "" if wordless is None else f"{amount(wordless, True)} without words"


def _length(found: Found) -> str:
    length = number(found.get("mean_tokens"))
    return NONE if length is None else f"{length:,.0f}"


def _asked(every: Sequence[Found]) -> str:
    counts = sorted({(found["questions"], found["k"]) for found in every})
    return " or ".join(_asked_of(*count) for count in counts)


def _asked_of(questions: int, k: int) -> str:
    samples = "one sample each" if k == 1 else f"{k:,} samples each"
    return f"{questions:,} problems, {samples}"


def parts(policies: Sequence[Policy]) -> Iterator[tuple[str, list[tuple[str, list[Cell]]]]]:
    """(column, [(value, a cell a policy)]) of each breakdown of the strict score."""
    found = [policy.found.get(REASONED, {}).get("by", {}) for policy in policies]
    for part in dict.fromkeys(name for one in found for name in one):
        names = sorted({name for one in found for name in one.get(part, {})})
        columns = [[read_score(one.get(part, {}), name) for one in found] for name in names]
        yield part, [(name, _ranked(row)) for name, row in zip(names, columns, strict=True)]


def _ranked(scores: Sequence[Score | None]) -> list[Cell]:
    known = [score.mean for score in scores if score is not None]
    is_telling = len(set(known)) > 1
    return [
        Cell(
            amount(score, True),
            amount_interval(score, True),
            is_best=is_telling and score is not None and score.mean == max(known),
        )
        for score in scores
    ]


def without_words(policies: Sequence[Policy]) -> Iterator[tuple[str, str]]:
    """(checkpoint, share) of thoughts without a word on problems with a right answer, if any."""
    for policy in policies:
        for reward, told in policy.found.get(REASONED, {}).get("rewards", {}).items():
            score = read_score(told, "without_words") if is_of_language(reward) else None
            if score is not None and score.mean > 0:
                yield policy.label, amount(score, True)
