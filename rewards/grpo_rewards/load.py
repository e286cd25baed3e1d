"""`load_reward`: any reward as a plain function with TRL's signature, for TRL or for a notebook.

A built-in reward keeps its safety there too: what needs sympy goes to one worker process that all
of them share. A user's own function comes back as it is, for the caller to run.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from grpo_rewards.table import find, load
from grpo_rewards.workers import Prompt, Scorer


class BuiltIn:
    """A built-in reward as TRL calls it; picklable, and named as TRL names its metrics.

    >>> BuiltIn("accuracy")(["3 + 4?"], ["<answer>7</answer>"], answer=["7"])
    [1.0]
    """

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(
        self, prompts: Sequence[Prompt], completions: Sequence[Prompt], **columns: Any
    ) -> list[float | None]:
        """One value in [0, 1] a completion, or None for a row it skips."""
        rows = _rows(columns, len(completions))
        verdicts = _shared_scorer(self.__name__).score(prompts, completions, rows)
        return [one.parts[self.__name__] for one in verdicts]


def load_reward(name: str) -> Callable[..., Any]:
    """The reward `name` (of the table, `file.py:function` or a dotted path) as a function
    `(prompts, completions, **columns) -> list[float | None]`.

    Raises RewardError, a ValueError, for a name nothing is found by.
    """
    target = find(name)
    reward = load(target)
    return BuiltIn(name) if target.is_built_in else reward  # type: ignore[return-value]


@cache
def _shared_scorer(name: str) -> Scorer:
    """One scorer a reward for the life of the process; its worker starts when first needed."""
    return Scorer({name: 1.0}, workers=1)


def _rows(columns: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """TRL's columns as rows, without what is no column (`trainer_state`, `log_metric`)."""
    lists = {
        name: values
        for name, values in columns.items()
        if isinstance(values, Sequence) and not isinstance(values, str) and len(values) == count
    }
    return [{name: values[row] for name, values in lists.items()} for row in range(count)]
