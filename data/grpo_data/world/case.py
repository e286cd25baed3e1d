"""A worded problem before anybody answers it: the question and the thoughts in two languages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grpo_data.problem import Problem
from grpo_data.world.steps import Equation, Step, solve

LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Case:
    """One problem of the tiny world, with all it takes to write it and to think it through.

    `questions` and `sentences` are by language; a sentence holds `{eq}` where its equation
    goes, and `conclusions` hold `{answer}` (and may hold `{low}` and `{high}`).

    >>> Case("chain", (Step(7, "+", 5), Step(Ref(0), "*", 2)),
    ...      {"en": "Start with 7. Add 5, then double it. What do you get?", "zh": ...},
    ...      {"en": ("First, {eq}.", "Then {eq}."), "zh": ("先算{eq}。", "再算{eq}。")},
    ...      {"en": "So the answer is {answer}.", "zh": "所以答案是{answer}。"})
    """

    kind: str
    steps: tuple[Step, ...]
    questions: Mapping[str, str]
    sentences: Mapping[str, tuple[str, ...]]
    conclusions: Mapping[str, str]

    @property
    def answer(self) -> int:
        """The number the question asks for."""
        return self.concluded(solve(self.steps))

    def concluded(self, equations: Sequence[Equation]) -> int:
        """The answer that follows from `equations`, right or slipped."""
        results = [equation.result for equation in equations]
        return max(results) if self.kind == "larger" else results[-1]

    @property
    def key(self) -> str:
        """The arithmetic alone: the same in every wording and language."""
        text = "|".join(map(str, self.steps))
        return f"larger|{text}" if self.kind == "larger" else text

    def problem(self, language: str) -> Problem:
        """The case as a problem posed in `language`."""
        columns = {
            "kind": self.kind,
            "language": language,
            "steps": [str(equation) for equation in solve(self.steps)],
        }
        name = f"{self.kind}-{language}-{self.key}"
        return Problem(name, self.questions[language], str(self.answer), self.key, columns)
