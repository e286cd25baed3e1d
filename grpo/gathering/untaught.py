"""What must not be learnt by heart: the evaluations that written samples are held against.

They are the held-out problems of its own data and of every evaluate stage, all of them, however
few an evaluation takes, and the benchmarks that `data.decontaminate` names. R1's rule: ten words in
a row that a row shares with one of their questions or solutions, and it goes. Numbers are words, so
that two problems of one template are told apart by theirs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grpo.eval.against import read_against
from grpo.recipe.sections import Decontaminate
from grpo.recipe.stages import Drawn, Evaluate
from grpo.workbench.workbench import Workbench
from grpo_data.overlap import Overlap, overlaps
from grpo_data.problem import Problem

_PHRASES = 3
_NGRAM = ("ngram",)


@dataclass(frozen=True)
class Untaught:
    """Texts by the name of their set, and the rules they are compared by.

    >>> Untaught({"after": ["What is 3 plus 4?"]}, n=10, rules=("exact", "letters", "ngram"))
    """

    sets: Mapping[str, Sequence[str]]
    n: int = Decontaminate.model_fields["n"].default
    rules: Sequence[str] = Decontaminate.model_fields["rules"].default

    def hits(self, rows: Sequence[tuple[str, str]]) -> "Hits":
        """Which of `rows`, (what is asked, what is said), overlap with any of the sets.

        What is asked is compared by all the rules, what is said by its n-grams.
        """
        asked = list(dict.fromkeys(asked for asked, _ in rows))
        by_question = overlaps(asked, self.sets, self.n, self.rules)
        known = {asked[place] for place in by_question.train_rows()}
        by_answer = overlaps((said for _, said in rows), self.sets, self.n, _NGRAM)
        copied = by_answer.train_rows()
        hit = {row for row, (question, _) in enumerate(rows) if question in known} | copied
        return Hits(frozenset(hit), self._told(by_question, by_answer))

    def _told(self, by_question: Overlap, by_answer: Overlap) -> dict[str, Any]:
        """The comparison in numbers: distinct questions that overlap, rows whose answer does."""
        each = [
            {
                "name": name,
                "texts": len(texts),
                "questions": len(by_question.train_rows(name)),
                "answers": len(by_answer.train_rows(name)),
                "phrases": [
                    {"ngram": ngram, "questions": count}
                    for ngram, count in by_question.phrases(name)[:_PHRASES]
                ],
            }
            for name, texts in self.sets.items()
        ]
        return {"n": self.n, "rules": list(self.rules), "against": each}


@dataclass(frozen=True)
class Hits:
    """The places of rows that overlap, and the comparison in numbers for the report.

    >>> Hits(frozenset({4, 7}), {"n": 10, "rules": ["ngram"], "against": [...]})
    """

    rows: frozenset[int]
    told: Mapping[str, Any]


def untaught(stage: Drawn, bench: Workbench) -> Untaught:
    """What the rows of `stage` are held against. Raises what reading benchmarks raises."""
    own = {stage.name: stage.data}
    evaluated = {one.name: one.data for one in bench.recipe.stages if isinstance(one, Evaluate)}
    sets: dict[str, list[str]] = {}
    known: set[str] = set()
    for name, data in {**evaluated, **own}.items():
        source = (data or bench.recipe.data).model_dump_json()
        texts = [text for problem in bench.problems(data)[1] for text in _texts(problem)]
        if texts and source not in known:
            known.add(source)
            sets[f"held out ({name})"] = texts
    gate = (stage.data or bench.recipe.data).decontaminate
    if gate is None:
        return Untaught(sets)
    held = read_against(gate.against, gate.question, split=gate.split)
    benchmarks = {name: [text.question for text in one.texts] for name, one in held.items()}
    return Untaught({**sets, **benchmarks}, gate.n, gate.rules)


def _texts(problem: Problem) -> list[str]:
    solution = problem.columns.get("solution")
    return [problem.question, solution] if isinstance(solution, str) else [problem.question]
