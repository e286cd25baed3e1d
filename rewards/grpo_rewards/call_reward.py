"""Calls one reward on rows, built-in or a user's own, and turns whatever happens into an Answer.

Runs inside a worker. A function is called as TRL calls it; a coroutine function is awaited. What it
may return is a file of its own.
"""

import asyncio
import inspect
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from grpo_rewards.calls import Answer, Call
from grpo_rewards.errors import RewardError
from grpo_rewards.knobs import PASSED
from grpo_rewards.messages import completion_text, prompt_text
from grpo_rewards.notes import Notes
from grpo_rewards.returned import BadReturn, judgements
from grpo_rewards.rule import RuleReward
from grpo_rewards.table import Reward
from grpo_rewards.verdict import Judged, Sample


def answer_call(reward: Reward, call: Call) -> Answer:
    """The answer of `reward` to `call`; an exception in it is an answer too, never raised."""
    try:
        if isinstance(reward, RuleReward):
            return Answer(tuple(reward.judge_all(samples_of(call))))
        return _called(reward, call)
    except MemoryError:
        return _failure(call, "out of memory", is_last=True)
    except BaseException as error:  # SystemExit and asyncio's cancellation end no worker either
        if isinstance(reward, RuleReward) and isinstance(error, RewardError):
            return _failure(call, str(error), is_fatal=True)
        return _failure(call, _describe(error, reward))


def samples_of(call: Call) -> list[Sample]:
    """The rows of a call as samples, their chat messages turned to text."""
    token_ids = call.token_ids or (None,) * len(call.rows)
    rows = zip(call.prompts, call.completions, call.columns, token_ids, strict=True)
    return [Sample(prompt_text(p), completion_text(c), row, ids) for p, c, row, ids in rows]


def columns_to_lists(columns: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """TRL's shape of the columns: a list a name, None where a row lacks it."""
    names = {name: None for row in columns for name in row}
    return {name: [row.get(name) for row in columns] for name in names}


def _called(function: Callable[..., Any], call: Call) -> Answer:
    notes = Notes()
    values = function(**_accepted(function, _passed(call, notes)))
    if inspect.isawaitable(values):
        values = asyncio.run(_await(values))
    judged = judgements(values, [len(completion_text(one)) for one in call.completions])
    complaint = notes.settle(len(call.rows))
    return Answer(judged, notes=notes, complaint=complaint and f"{_place(function)}: {complaint}")


def _passed(call: Call, notes: Notes) -> dict[str, Any]:
    """What TRL's trainer calls a reward function with, the data's columns among it."""
    columns = columns_to_lists(call.columns)
    passed = {name: values for name, values in columns.items() if name not in PASSED}
    if call.token_ids is not None:
        passed["completion_ids"] = [list(ids) for ids in call.token_ids]
    return passed | {
        "prompts": list(call.prompts),
        "completions": list(call.completions),
        "trainer_state": call.state,
        "log_extra": notes.log_extra,
        "log_metric": notes.log_metric,
    }


def _accepted(function: Callable[..., Any], passed: dict[str, Any]) -> dict[str, Any]:
    """All of it for a function with `**columns`, as TRL has it; of the rest what is named."""
    parameters = inspect.signature(function).parameters
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        return passed
    return {name: passed[name] for name in parameters if name in passed}


async def _await(awaitable: Any) -> Any:
    return await awaitable


def _failure(call: Call, message: str, is_last: bool = False, is_fatal: bool = False) -> Answer:
    return Answer(tuple(Judged(None, "error") for _ in call.rows), message, is_last, is_fatal)


def _describe(error: BaseException, reward: Reward) -> str:
    """`file:line: kind: text`, the line being the last one in the reward's own file."""
    file, line = source_of(reward)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == file]
    if own and not isinstance(error, BadReturn):
        line = own[-1].lineno or line
    return f"{file}:{line}: {type(error).__name__}: {_text(error)}"[:500]


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(it has no text)"


def _place(function: Callable[..., Any]) -> str:
    return "{}:{}".format(*source_of(function))


def source_of(reward: Reward) -> tuple[str, int]:
    """The file and first line of a reward's code (of its class's, for a callable object)."""
    function = reward.quick if isinstance(reward, RuleReward) else reward
    function = inspect.unwrap(function)
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code else (repr(reward), 0)
