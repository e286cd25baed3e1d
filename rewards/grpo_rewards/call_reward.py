"""Calls one reward on rows, built-in or a user's own, and turns whatever happens into an Answer.

Runs inside a worker. A function is held to TRL's contract: as many values as completions, each a
finite number or None; a coroutine function is awaited.
"""

import asyncio
import inspect
import math
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from grpo_rewards.calls import Answer, Call
from grpo_rewards.messages import completion_text, prompt_text
from grpo_rewards.rule import RuleReward
from grpo_rewards.table import Reward
from grpo_rewards.verdict import SKIPPED, Judged, Sample


class BadReturn(ValueError):
    """A reward function returned something other than one finite number or None a completion."""


def answer_call(reward: Reward, call: Call) -> Answer:
    """The answer of `reward` to `call`; an exception in it is an answer too, never raised."""
    try:
        if isinstance(reward, RuleReward):
            return Answer(tuple(reward.judge(sample) for sample in samples_of(call)))
        return Answer(tuple(_judged(value) for value in _values(reward, call)))
    except MemoryError:
        return _failure(call, "out of memory", is_last=True)
    except (Exception, SystemExit) as error:
        return _failure(call, _describe(error, reward), is_last=False)


def samples_of(call: Call) -> list[Sample]:
    """The rows of a call as samples, their chat messages turned to text."""
    rows = zip(call.prompts, call.completions, call.columns, strict=True)
    return [Sample(prompt_text(p), completion_text(c), columns) for p, c, columns in rows]


def columns_to_lists(columns: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """TRL's shape of the columns: a list a name, None where a row lacks it."""
    names = {name: None for row in columns for name in row}
    return {name: [row.get(name) for row in columns] for name in names}


def _values(function: Callable[..., Any], call: Call) -> list[float | None]:
    lists = columns_to_lists(call.columns)
    prompts, completions = list(call.prompts), list(call.completions)
    values = function(prompts=prompts, completions=completions, **lists)
    if inspect.isawaitable(values):
        values = asyncio.run(_await(values))
    if not hasattr(values, "__len__") or len(values) != len(completions):
        got = f"{len(values)} values" if hasattr(values, "__len__") else type(values).__name__
        raise BadReturn(f"returned {got} for {len(completions)} completions")
    return [_number(value) for value in values]


async def _await(awaitable: Any) -> Any:
    return await awaitable


def _number(value: Any) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise BadReturn(f"returned {value!r:.80}, which is neither a number nor None") from error
    if not math.isfinite(number):
        raise BadReturn(f"returned {number}")
    return number


def _judged(value: float | None) -> Judged:
    """A function's value as a judgement: above zero counts as correct."""
    if value is None:
        return SKIPPED
    return Judged(value, "correct" if value > 0 else "wrong")


def _failure(call: Call, message: str, is_last: bool) -> Answer:
    return Answer(tuple(Judged(None, "error") for _ in call.rows), message, is_last)


def _describe(error: BaseException, reward: Reward) -> str:
    """`file:line: kind: text`, the line being the last one in the reward's own file."""
    file, line = source_of(reward)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == file]
    if own and not isinstance(error, BadReturn):
        line = own[-1].lineno or line
    return f"{file}:{line}: {type(error).__name__}: {error}"[:500]


def source_of(reward: Reward) -> tuple[str, int]:
    """The file and first line of a reward's code (of its class's, for a callable object)."""
    function = reward.quick if isinstance(reward, RuleReward) else reward
    function = inspect.unwrap(function)
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code else (repr(reward), 0)
