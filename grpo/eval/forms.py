"""The published forms of benchmarks: from a row as it was published to a question with an answer.

A form is a function of the row and raises ValueError, in a sentence about the row, where the row
has not that form. Which benchmark has which form is for `benchmarks` to say.
"""

import hashlib
import random
import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grpo_data.readers import Row
from grpo_data.sources import missing_column
from grpo_rewards.extract import last_boxed

IDS = ("id", "unique_id", "task_id", "question_id", "ID", "Record ID")
SUBJECTS = ("subfield", "subject", "type", "category", "Subdomain", "Type")
LEVELS = ("level", "grade", "difficulty")
_LABEL = re.compile(r"\s*\(?([A-Z])[).:、．]\s*")
_MBPP_TEST = range(11, 511)


@dataclass(frozen=True)
class Posed:
    """A row as a question: `id` is None where the form has none, `columns` what rewards may read.

    >>> Posed("3 + 4?", "7", "17", {"subject": "Algebra", "level": "1"})
    """

    question: str
    answer: str
    id: str | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)


Form = Callable[[Row], Posed | None]
"""None for a row that is published in the same file and is no part of the benchmark."""

Names = str | tuple[str, ...]
"""A column, or the names it has in the places a benchmark is published at."""


def worded(question: Names, answer: Names, *, after: str | None = None) -> Form:
    """A question in words and its answer: what follows the last `after`, else the last box of a
    worked solution, else all of the column."""

    def pose(row: Row) -> Posed:
        return _posed(row, text_of(row, question), _reference(text_of(row, answer), after))

    return pose


def listed(question: Names, answer: Names) -> Form:
    """A question whose answer is a list of values, all of which are asked for."""

    def pose(row: Row) -> Posed:
        values = value_of(row, answer)
        values = (
            values if isinstance(values, Sequence) and not isinstance(values, str) else [values]
        )
        asked = f"{row.get('context') or ''}\n\n{text_of(row, question)}".strip()
        return _posed(row, asked, ", ".join(str(value).strip().strip("$") for value in values))

    return pose


def choice(question: Names, choices: Names, answer: Names) -> Form:
    """A question with lettered choices; the answer is a letter, or the choice's place from 0."""

    def pose(row: Row) -> Posed:
        texts = _choices(value_of(row, choices))
        return _choice(row, text_of(row, question), texts, _letter(value_of(row, answer), texts))

    return pose


def shuffled(question: str, right: str, wrong: tuple[str, ...]) -> Form:
    """A question published with its right answer apart from the wrong ones (GPQA).

    The order of the choices hangs on the question's text alone.
    """

    def pose(row: Row) -> Posed:
        asked, best = text_of(row, question), text_of(row, right)
        texts = [best, *(text_of(row, name) for name in wrong)]
        seed = hashlib.blake2b(asked.encode(), digest_size=8).digest()
        random.Random(int.from_bytes(seed, "big")).shuffle(texts)
        return _choice(row, asked, texts, string.ascii_uppercase[texts.index(best)])

    return pose


def svamp(row: Row) -> Posed:
    """SVAMP: a story and a question, which some copies hold in one column."""
    if "Body" not in row:
        return _posed(row, text_of(row, "question"), text_of(row, "answer"))
    asked = f"{text_of(row, 'Body')} {text_of(row, 'Question')}"
    return _posed(row, asked, text_of(row, "Answer"))


def humaneval(row: Row) -> Posed:
    """HumanEval: the head of a function with its docstring; `test` is for the `code` reward."""
    for name in ("test", "entry_point"):
        text_of(row, name)
    head = text_of(row, "prompt").rstrip()
    return _posed(row, f"```python\n{head}\n```", text_of(row, "canonical_solution"))


def mbpp(row: Row) -> Posed | None:
    """MBPP: a task in a sentence, with the asserts it is tested by; tasks 11 to 510 are the test
    split, the others are for training."""
    if int(value_of(row, "task_id")) not in _MBPP_TEST:
        return None
    tests = "\n".join(value_of(row, "test_list"))
    asked = f"{text_of(row, ('text', 'prompt'))}\n\nIt must pass:\n```python\n{tests}\n```"
    return _posed(row, asked, text_of(row, "code"))


def value_of(row: Row, names: Names) -> Any:
    """The value of the first of `names` that the row has and that is not empty."""
    options = (names,) if isinstance(names, str) else names
    there = [name for name in options if name in row]
    if not there:
        raise ValueError(missing_column(options[0], row))
    filled = [row[name] for name in there if not _is_empty(row[name])]
    if not filled:
        raise ValueError(f"column {there[0]!r} is empty.")
    return filled[0]


def text_of(row: Row, names: Names) -> str:
    """The same, as text; ValueError for a list and its like."""
    value = value_of(row, names)
    if isinstance(value, list | dict | bytes):
        raise ValueError(f"column {names!r} holds a {type(value).__name__}, not text or a number.")
    return str(value)


def _posed(row: Row, question: str, answer: str, **more: Any) -> Posed:
    about = {"subject": _first(row, SUBJECTS), "level": _level(_first(row, LEVELS))}
    known = {name: text for name, text in about.items() if text is not None}
    kept = {name: value for name, value in row.items() if name not in ("question", "answer")}
    return Posed(question.strip(), answer.strip(), _first(row, IDS), {**kept, **known, **more})


def _choice(row: Row, asked: str, texts: Sequence[str], letter: str) -> Posed:
    lines = (f"{label}) {text}" for label, text in zip(string.ascii_uppercase, texts, strict=False))
    shown = "\n".join(lines)
    stem = asked.strip()
    return _posed(row, f"{stem}\n\n{shown}", letter, stem=stem, choices=list(texts))


def _choices(values: Any) -> list[str]:
    if not isinstance(values, list) or len(values) < 2:
        raise ValueError(f"the choices must be a list of two or more, got {values!r:.60}.")
    texts = [str(value) for value in values]
    labels = [match and match[1] for match in map(_LABEL.match, texts)]
    if labels == list(string.ascii_uppercase[: len(texts)]):
        texts = [_LABEL.sub("", text, count=1) for text in texts]
    return [text.strip() for text in texts]


def _letter(answer: Any, texts: Sequence[str]) -> str:
    letters = string.ascii_uppercase[: len(texts)]
    if isinstance(answer, int) and 0 <= answer < len(texts):
        return letters[answer]
    bare = str(answer).strip().strip("().:").upper()
    if len(bare) == 1 and bare in letters:
        return bare
    raise ValueError(f"the answer {answer!r} is none of the {len(texts)} choices.")


def _reference(text: str, after: str | None) -> str:
    if after is not None and after not in text:
        raise ValueError(f"the answer holds no {after!r}, the mark before it.")
    tail = text.rpartition(after)[2] if after else text
    return last_boxed(tail) or tail


def _first(row: Row, names: Sequence[str]) -> str | None:
    there = (str(row[name]) for name in names if name in row and not _is_empty(row[name]))
    return next(there, None)


def _level(text: str | None) -> str | None:
    return None if text is None else text.removeprefix("Level ")


def _is_empty(value: Any) -> bool:
    # NaN, the one value unlike itself, is how tables written by pandas hold an empty cell.
    return value is None or value != value or (isinstance(value, str) and not value.strip())
