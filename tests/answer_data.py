"""The shared answers the reward tests read; a test that asks for what is not here is skipped."""

import json
import random
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from grpo_rewards.extract import last_boxed, reference_answer
from grpo_rewards.reading import key

DATA = Path(__file__).parents[2] / "shared" / "data"

Pair = tuple[str, str]


@cache
def _rows(name: str) -> list[dict[str, Any]]:
    path = DATA / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def rows(*names: str) -> list[dict[str, Any]]:
    """The rows of some files under `shared/data`, one after another."""
    found = [_rows(name) for name in names]
    if not all(found):
        pytest.skip(f"the shared data {', '.join(names)} is not here")
    return [row for one in found for row in one]


def math_rows(count: int | None = None) -> list[dict[str, Any]]:
    """MATH, train and test: all 12,500 rows, or so many drawn with seed 0."""
    found = rows("math/train.jsonl", "math/test.jsonl")
    return found if count is None else random.Random(0).sample(found, count)


def math_solutions(count: int | None = None) -> list[Pair]:
    """Each answer with the box of its own solution; two answers of MATH are empty."""
    return [(row["answer"], last_boxed(row["solution"]) or "") for row in math_rows(count)]


def math_strangers(count: int | None = None) -> list[Pair]:
    """Each answer with another problem's: neither the same text nor the same number."""
    golds = [row["answer"] for row in math_rows(count)]
    others = random.Random(1).sample(golds, len(golds))
    return [pair for pair in zip(golds, others, strict=True) if key(pair[0]) != key(pair[1])]


def gsm8k_pairs(count: int | None = None) -> list[Pair]:
    """Answers of GSM8K (all, or the first so many), each with itself and with the next one's."""
    found = rows("gsm8k/test.jsonl", "gsm8k/train.jsonl")[:count]
    golds = [reference_answer(row["answer"]) for row in found]
    return [*zip(golds, golds, strict=True), *pairwise(golds)]
