"""What a reward is audited on: questions with a right and a wrong answer.

Rows come from a data file, from a generator, or from `grpo_rewards.audit.samples`. A wrong answer
is made so that nothing but a mistake pays it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from grpo_rewards.equal import Comparison, compare_quickly
from grpo_rewards.language import count_words

_UNLIKELY = "104729"
_INTEGER = re.compile(r"-?\d{1,15}")


@dataclass(frozen=True)
class Question:
    """One question, what is right, what is wrong, and the row a reward gets with it.

    `language` is "en" or "zh"; a thought about the question is written in it.

    >>> Question("What is 3 + 4?", "7", "8", "en", {"question": "What is 3 + 4?", "answer": "7"})
    """

    text: str
    gold: str
    wrong: str
    language: str
    columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """A question and its reference as a data source gives them, and a wrong answer if one is known.

    >>> Row("What is 3 + 4?", "7", {"language": "en"})
    """

    question: str
    answer: str
    columns: Mapping[str, Any] = field(default_factory=dict)
    wrong: str | None = None


def questions(rows: Sequence[Row]) -> list[Question]:
    """Each row as a question, with an answer that is wrong for it.

    A reward reads the row's columns and, as a run gives them, `question` and `answer`; `solution`,
    TRL's name for the reference, is added where the row has none.
    """
    golds = [row.answer for row in rows]
    return [_question(row, golds[n + 1 :] + golds[:n]) for n, row in enumerate(rows)]


def _question(row: Row, others: Sequence[str]) -> Question:
    given = {"question": row.question, "answer": row.answer}
    return Question(
        text=row.question,
        gold=row.answer,
        wrong=row.wrong or wrong_answer(row.answer, others),
        language=language_of(row.question),
        columns={"solution": row.answer, **row.columns, **given},
    )


def wrong_answer(gold: str, others: Sequence[str]) -> str:
    """The next integer, or the first of the other answers that is surely different."""
    if _INTEGER.fullmatch(gold):
        return str(int(gold) + 1)
    candidates = chain(others, [_UNLIKELY])
    return next((one for one in candidates if _surely_different(gold, one)), _UNLIKELY)


def language_of(text: str) -> str:
    """The language most of `text` is in: "zh", else "en"."""
    words = count_words(text)
    return "zh" if words.han > words.latin else "en"


def _surely_different(gold: str, other: str) -> bool:
    """Told by the exact path alone: what needs a proof is no test of a judge."""
    return compare_quickly(gold, other) is Comparison.DIFFERENT
