"""`load_reward`: any reward as a plain function with TRL's signature, for TRL or for a notebook.

A built-in reward keeps its safety there too: what needs sympy goes to one worker process that all
of them share. A user's own function comes back as it is, for the caller to run.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, get_args

from grpo_rewards.table import check, find, load
from grpo_rewards.verdict import Outcome, Verdict
from grpo_rewards.workers import Prompt, Scorer


class BuiltIn:
    """A built-in reward as TRL calls it; picklable, and named as TRL names its metrics.

    In TRL's table of completions it writes the column `accuracy/outcome`, and it logs the share of
    each outcome that is no honest verdict: `accuracy/unparseable`, `accuracy/timeout`, ...

    >>> BuiltIn("accuracy", {})(["3 + 4?"], ["<answer>7</answer>"], answer=["7"])
    [1.0]
    """

    def __init__(self, name: str, knobs: Mapping[str, Any]) -> None:
        self.__name__ = name
        self._knobs = json.dumps(knobs)

    def __call__(
        self,
        prompts: Sequence[Prompt],
        completions: Sequence[Prompt],
        completion_ids: Sequence[Sequence[int]] | None = None,
        log_extra: Callable[[str, list[Any]], None] | None = None,
        log_metric: Callable[[str, float], None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """One value a completion, or None for a row it skips.

        Raises ValueError for a column of another length, and for one that is needed and not there.
        """
        rows = _rows(columns, len(completions))
        scorer = _shared_scorer(self.__name__, self._knobs)
        verdicts = scorer.score(prompts, completions, rows, token_ids=completion_ids)
        self._log(verdicts, log_extra, log_metric)
        return [one.parts[self.__name__] for one in verdicts]

    def _log(
        self,
        verdicts: Sequence[Verdict],
        log_extra: Callable[[str, list[Any]], None] | None,
        log_metric: Callable[[str, float], None] | None,
    ) -> None:
        name = self.__name__
        outcomes = [one.outcomes[name] for one in verdicts]
        if log_extra:
            log_extra(f"{name}/outcome", outcomes)
        if log_metric and outcomes:
            for outcome in get_args(Outcome)[2:]:
                log_metric(f"{name}/{outcome}", outcomes.count(outcome) / len(outcomes))


def load_reward(name: str, **knobs: Any) -> Callable[..., Any]:
    """The reward `name` (of the table, `file.py:function` or a dotted path) as a function
    `(prompts, completions, **columns) -> list[float | None]`, its knobs set.

    Raises RewardError, a ValueError, for a name nothing is found by and for a knob the reward does
    not have.

    >>> load_reward("format", variant="think")
    """
    target = find(name)
    if not target.is_built_in:
        return load(target, knobs)  # type: ignore[return-value]
    check(target, knobs)
    return BuiltIn(name, knobs)


@cache
def _shared_scorer(name: str, knobs: str) -> Scorer:
    """One scorer a reward for the life of the process; its worker starts when first needed."""
    return Scorer({name: json.loads(knobs)}, workers=1)


def _rows(columns: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """TRL's columns as rows, without what is no column: `trainer_state`, `environments`."""
    lists = {
        name: values
        for name, values in columns.items()
        if isinstance(values, Sequence) and not isinstance(values, str) and name != "environments"
    }
    for name, values in lists.items():
        if len(values) != count:
            raise ValueError(f"column {name!r} has {len(values)} values for {count} completions")
    return [{name: values[row] for name, values in lists.items()} for row in range(count)]
