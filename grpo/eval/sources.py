"""Where a benchmark's rows are found, and their problems read: a file under the data root, else
the hub. A user's own file is a benchmark too, of one line made for it.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grpo.errors import UserError
from grpo.eval.benchmarks import Benchmark, Hub
from grpo.eval.forms import Posed, choice, worded
from grpo_data import readers
from grpo_data.problem import Problem, normalised
from grpo_data.sources import GENERATORS, load_problems

ROOT = "GRPO_DATA"
"""The environment variable that names the data root."""

NEARBY = "../shared/data"
"""The data root where none is named."""

OWN_REWARDS = {"reasoning_gym": "reasoning_gym"}
"""Generators whose problems have a scorer of their own."""


@dataclass(frozen=True)
class Loaded:
    """A benchmark's problems: all of its `rows`, or a fixed draw from them.

    `sha256` is that of all questions and answers, asked or not; `repeated` counts questions whose
    text stood there before under another id; `places` says where a problem's row stands, by its
    id. `on_hub` where no file of the user's was read.

    >>> Loaded(benchmark, "data/gsm8k/test.jsonl", (Problem(...), ...), 1319, "9f86...", 0,
    ...        {"0": "data/gsm8k/test.jsonl:1", ...}, on_hub=False)
    """

    benchmark: Benchmark
    source: str
    problems: tuple[Problem, ...]
    rows: int
    sha256: str
    repeated: int
    places: Mapping[str, str] = field(default_factory=dict)
    on_hub: bool = False

    @property
    def is_verified(self) -> bool:
        """Whether the table's reader was tried on what was read here: a verified line's file, whole
        as it was published."""
        line = self.benchmark
        return line.verified and not self.on_hub and self.rows == line.rows


def data_root(named: Path | None) -> Path:
    """The folder benchmarks are looked for in first: the one named, $GRPO_DATA, ../shared/data."""
    return named or Path(os.environ.get(ROOT, NEARBY)).expanduser()


def local_file(benchmark: Benchmark, root: Path) -> Path | None:
    """The benchmark's file under `root`: at its place in the table, or NAME.jsonl and its like."""
    names = (benchmark.file, *(benchmark.name + ending for ending in readers.READERS))
    return next((root / name for name in names if (root / name).is_file()), None)


def own_file(
    source: str,
    question: str,
    answer: str,
    *,
    after: str | None,
    reward: str | None,
    split: str,
    subset: str | None = None,
) -> Benchmark:
    """A user's file, hub name or tiny:SPEC as a benchmark called by its stem.

    A `reward` of None is the one its generator scores with, else accuracy.
    """
    reward = reward or OWN_REWARDS.get(source.partition(":")[0], "accuracy")
    if reward == "choice":
        form = choice(question, ("choices", "options"), answer)
    else:
        form = worded(question, answer, after=after)
    style = reward if reward in ("choice", "code") else "maths"
    name = Path(source).stem if Path(source).suffix.lower() in readers.READERS else source
    texts = (question, answer, "id")
    hub = Hub(source, split, subset)
    return Benchmark(name, None, source, hub, form, reward, style=style, language="", texts=texts)


def load(benchmark: Benchmark, root: Path, limit: int | None = None) -> Loaded:
    """Read a benchmark. Raises UserError, naming the row, for one that is not there or has not
    its form, for two rows of one id and for a row without a question or an answer."""
    path = local_file(benchmark, root)
    source = str(path) if path else benchmark.hub.name if benchmark.hub else ""
    if not source:
        raise UserError(
            f"benchmark {benchmark.name!r} is not on the hub, and {root} has no {benchmark.file}; "
            f"put it there, or name another folder: --data-root, or {ROOT} in the environment"
        )
    try:
        placed = list(_problems(benchmark, source))
    except (ValueError, FileNotFoundError) as error:
        # A user's own file was never looked for anywhere else.
        looked = path is not None or benchmark.rows is None
        missing = "" if looked else f"{root} has no {benchmark.file}, and "
        raise UserError(f"benchmark {benchmark.name!r}: {missing}{error}") from error
    if not placed:
        raise UserError(f"benchmark {benchmark.name!r}: {source} holds no problems")
    problems = [problem for _, problem in placed]
    return Loaded(
        benchmark,
        source,
        drawn(problems, limit),
        rows=len(problems),
        sha256=_digest(problems),
        repeated=len(problems) - len({problem.key for problem in problems}),
        places={problem.id: where for where, problem in placed},
        on_hub=path is None and benchmark.rows is not None,
    )


def drawn(problems: Sequence[Problem], limit: int | None) -> tuple[Problem, ...]:
    """`limit` of the problems, in their order: those whose ids hash lowest.

    Many sets are sorted by subject or level, and the first of them are no draw from the whole. A
    larger limit keeps those of a smaller one.
    """
    kept = sorted(problems, key=lambda one: hashlib.blake2b(one.id.encode()).digest())[:limit]
    names = {problem.id for problem in kept}
    return tuple(problem for problem in problems if problem.id in names)


def _problems(benchmark: Benchmark, source: str) -> Iterator[tuple[str, Problem]]:
    """Each problem, and where its row stands."""
    kind, colon, _ = source.partition(":")
    if colon and kind in GENERATORS:
        yield from ((f"{source} problem {n}", one) for n, one in enumerate(load_problems(source)))
        return
    seen: dict[str, str] = {}
    for number, (where, posed) in enumerate(_posed(benchmark, source)):
        name = str(number) if posed.id is None else posed.id
        if name in seen:
            raise ValueError(f"{where}: the id {name!r} is that of {seen[name]} too.")
        seen[name] = where
        columns = dict(posed.columns)
        if benchmark.language:
            columns["language"] = benchmark.language
        key = normalised(posed.question)
        yield where, Problem(name, posed.question, posed.answer, key, columns)


def _posed(benchmark: Benchmark, source: str) -> Iterator[tuple[str, Posed]]:
    hub = benchmark.hub or Hub(source)
    rows = readers.rows(
        source, text_columns=benchmark.texts, split=hub.split, subset=hub.subset, revision=None
    )
    for where, row in rows:
        try:
            posed = benchmark.form(row)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        if posed is not None:
            yield where, posed


def _digest(problems: list[Problem]) -> str:
    digest = hashlib.sha256()
    for problem in problems:
        row = [problem.id, problem.question, problem.answer]
        digest.update(json.dumps(row, ensure_ascii=False).encode())
    return digest.hexdigest()
