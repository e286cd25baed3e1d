"""The reward `reasoning_gym`: an answer scored by the scorer of the reasoning-gym task it is for.

The answer is found as `accuracy` finds it, and shown to the scorer only if `gym_guard` lets it
through. Problems come from the data source of the same name, or from rows of the same shape.
"""

import importlib
import importlib.util
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from functools import lru_cache
from types import ModuleType
from typing import Any

from grpo_rewards import tags
from grpo_rewards.errors import RewardError
from grpo_rewards.extract import strict_answer
from grpo_rewards.gym_guard import is_harmless, is_real
from grpo_rewards.rule import RuleReward
from grpo_rewards.verdict import SKIPPED, UNPARSEABLE, Judged, Sample

COLUMN = "reasoning_gym"
MAX_CHARS = 20_000
_NEARLY_ONE = 1 - 1e-9
_REQUIREMENT = "reasoning-gym==0.1.25"

Score = Callable[[str, Mapping[str, Any]], float]


def reasoning_gym(*, partial: bool = False) -> RuleReward:
    """1.0 where the task's own scorer gives the answer full marks, else 0.0.

    With partial=True its lower marks are paid too, in [0, 1]: reasoning-gym pays a little for what
    is well-formed (0.01 to 0.1), and in many tasks much for what only looks like the answer
    (chain_sum: 0.75 for -214 where 214 is right) or has it somewhere in it.

    The row's column `reasoning_gym` holds `task`, `config` (the task's settings), `answer` and
    `metadata`, as a mapping or in JSON; a row where it is empty is skipped, one without it raises
    RewardError. Unparseable are answers of more than 20,000 characters, those a scorer would run as
    code, and those it trips over.
    """

    def quick(sample: Sample) -> Judged | None:
        if not _column(sample):
            return SKIPPED
        answer = _answer(sample)
        return UNPARSEABLE if not answer or len(answer) > MAX_CHARS else None

    def full(sample: Sample) -> Judged:
        score = _score(_entry(_column(sample)), _answer(sample) or "")
        if score is None:
            return UNPARSEABLE
        if score >= _NEARLY_ONE:
            return Judged(1.0, "correct")
        return Judged(score if partial and score > 0 else 0.0, "wrong")

    return RuleReward("reasoning_gym", quick, full, _library, _check)


def _answer(sample: Sample) -> str | None:
    return strict_answer(sample.text, tags.opened_by(sample.prompt))


def _column(sample: Sample) -> Any:
    if COLUMN not in sample.columns:
        raise RewardError(
            f"reasoning_gym needs the column {COLUMN!r}, but the row has "
            f"{sorted(sample.columns) or 'no columns'}; set data.path to reasoning_gym:TASK"
        )
    return sample.columns[COLUMN]


def _entry(told: Any) -> dict[str, Any]:
    """The row as reasoning-gym knows it, with its task and the task's settings."""
    entry = json.loads(told) if isinstance(told, str) else told
    wanted = {"task", "config", "answer", "metadata"}
    if not isinstance(entry, Mapping) or not wanted <= set(entry):
        raise RewardError(f"reasoning_gym needs {sorted(wanted)} in its column, got {told!r:.80}")
    return {**entry, "metadata": _tuples_for_grids(entry["metadata"])}


def _tuples_for_grids(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """The ARC scorers compare the grid with tuples, which JSON has made lists."""
    grid = metadata.get("output")
    if metadata.get("source_dataset") not in ("arc_agi", "rearc") or grid is None:
        return metadata
    return {**metadata, "output": tuple(map(tuple, grid))}


def _score(entry: Mapping[str, Any], answer: str) -> float | None:
    """The score; None where the scorer must not see the answer, or fails on it."""
    task = entry["task"]
    score = _scorer(task, json.dumps(entry["config"], sort_keys=True))
    if not is_harmless(task, answer, entry):
        return None
    try:
        with _silence():
            return min(float(score(answer, entry)), 1.0) if is_real(task, answer, entry) else 0.0
    except MemoryError:
        raise
    except Exception:
        return None


@contextmanager
def _silence() -> Iterator[None]:
    """Scorers print, and numpy warns of every grid that is none."""
    with ExitStack() as stack:
        nowhere = stack.enter_context(open(os.devnull, "w"))
        stack.enter_context(redirect_stdout(nowhere))
        stack.enter_context(redirect_stderr(nowhere))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        yield


@lru_cache(maxsize=64)
def _scorer(task: str, config: str) -> Score:
    library = _library()
    if task not in library.factory.DATASETS:
        raise RewardError(f"reasoning_gym: the installed version has no task {task!r}")
    score: Score = library.create_dataset(task, **{**json.loads(config), "size": 1}).score_answer
    return score


def _check() -> None:
    if importlib.util.find_spec("reasoning_gym") is None:
        raise RewardError(f"reasoning_gym is not installed: pip install {_REQUIREMENT}")


def _library() -> ModuleType:
    """reasoning-gym. It imports pycosat at once, which no scorer needs and which has no wheel: an
    empty module stands in for it where it is not installed."""
    _check()
    is_lacking = importlib.util.find_spec("pycosat") is None
    if is_lacking:
        sys.modules["pycosat"] = ModuleType("pycosat")
    try:
        return importlib.import_module("reasoning_gym")
    finally:
        if is_lacking:
            del sys.modules["pycosat"]
