"""The tests in a data set's row, in whichever of the field's shapes they are.

| column `tests` holds                                        | as in             |
| ----------------------------------------------------------- | ----------------- |
| text: Python with `check(candidate)`, `test_...` or asserts | HumanEval         |
| a list of texts: Python, an assert each                     | MBPP              |
| `{"inputs": [...], "outputs": [...]}`                       | APPS, CodeContests|
| a list of `{"input": ..., "output": ...}`                   | LiveCodeBench     |
| the JSON of one of the last two                             |                   |
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from grpo_rewards.errors import RewardError
from grpo_rewards.sandbox.function_tests import FunctionTests
from grpo_rewards.sandbox.script_tests import ScriptTests

Tests = FunctionTests | ScriptTests


def read_tests(value: Any, setup: Any, entry_point: str, stub: str) -> Tests | None:
    """The tests a row's columns hold, None where they hold none.

    `setup` is text or a list of texts. Raises RewardError for a shape that is not in the table.
    """
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        value = _from_json(value)
    if isinstance(value, Mapping):
        return _script(value.get("inputs"), value.get("outputs"), value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        if value and all(isinstance(one, Mapping) for one in value):
            inputs, outputs = ([one.get(key) for one in value] for key in ("input", "output"))
            return _script(inputs, outputs, value[0])
        sources = tuple(str(one).replace("\r\n", "\n") for one in value)
    else:
        sources = () if value is None else (str(value),)
    if not any(source.strip() for source in sources):
        return None
    return FunctionTests(sources, _lines(setup), entry_point, stub)


def _from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise RewardError(
            f"tests that begin with {text.strip()[0]!r} must be JSON: {error}"
        ) from error


def _script(inputs: Any, outputs: Any, row: Mapping[str, Any]) -> ScriptTests | None:
    if not isinstance(inputs, Sequence) or not isinstance(outputs, Sequence):
        raise RewardError(f"tests need inputs and outputs, two lists, but hold {sorted(row)}")
    if len(inputs) != len(outputs):
        raise RewardError(f"tests hold {len(inputs)} inputs but {len(outputs)} outputs")
    if row.get("fn_name"):
        raise RewardError(
            "tests with fn_name call a function; write them as Python asserts, such as "
            f"assert {row['fn_name']}(...) == ..."
        )
    pairs = tuple((_lines(one), _lines(other)) for one, other in zip(inputs, outputs, strict=True))
    # A test that wants nothing printed is passed by a program that does nothing.
    return ScriptTests(pairs) if any(expected.strip() for _, expected in pairs) else None


def _lines(value: Any) -> str:
    """Text as it is; a list as its lines."""
    if value is None:
        return ""
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = "\n".join(str(line) for line in value)
    return str(value).replace("\r\n", "\n")
