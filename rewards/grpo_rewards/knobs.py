"""A reward's knobs: read off its signature, checked before it runs, bound to a user's function.

A built-in reward's values are checked against the type hints of its factory. A user's hints are
the user's own business: of their function only the names are checked.
"""

import functools
import inspect
import json
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from grpo_rewards.errors import RewardError

PASSED = (
    "prompts",
    "completions",
    "completion_ids",
    "trainer_state",
    "log_extra",
    "log_metric",
)
"""What every reward function is called with, as TRL calls it; no knob may have such a name."""


class BadKnob(RewardError):
    """A knob the reward does not have, or a value it does not take; `knob` is its name."""

    def __init__(self, reward: str, knob: str, sentence: str) -> None:
        super().__init__(f"reward {reward!r}: {sentence}")
        self.knob = knob


class Bound(functools.partial):
    """A user's function with its knobs set; a knob wins over a data column of its name.

    >>> Bound(brevity, {"target": 40})(prompts=["3 + 4?"], completions=["7"], target=[9])
    """

    def __new__(cls, function: Callable[..., Any], knobs: Mapping[str, Any]) -> "Bound":
        bound = super().__new__(cls, function, **knobs)
        functools.update_wrapper(bound, function)
        return bound

    def __call__(self, /, *args: Any, **columns: Any) -> Any:
        return self.func(*args, **{**columns, **self.keywords})

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.func, self.keywords)


def knobs_of(function: Callable[..., Any]) -> list[str]:
    """The names a function takes by keyword, without what it is called with anyway."""
    by_name = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    return [one.name for one in parameters if one.kind in by_name and one.name not in PASSED]


def check_names(reward: str, function: Callable[..., Any], knobs: Mapping[str, Any]) -> None:
    """Raises BadKnob for the first knob that `function` does not name."""
    check_known(reward, knobs, knobs_of(function) if knobs else [])


def check_known(reward: str, knobs: Mapping[str, Any], known: list[str]) -> None:
    """Raises BadKnob for the first of `knobs` that is not known, with the nearest that is."""
    for name in knobs:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            guess = f"did you mean {near[0]!r}?" if near else f"it has {_listed(known)}"
            raise BadKnob(reward, name, f"unknown knob {name!r}: {guess}")


def checked(reward: str, factory: Callable[..., Any], knobs: Mapping[str, Any]) -> dict[str, Any]:
    """The knobs as the factory's type hints have them (a list becomes the tuple it asks for).

    Raises BadKnob for an unknown name, a value of another type, or a knob that must be given and
    is not.
    """
    check_names(reward, factory, knobs)
    parameters = inspect.signature(factory, eval_str=bool(knobs)).parameters
    for name, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and name not in knobs:
            raise BadKnob(reward, name, f"needs the knob {name!r}")
    return {name: _typed(reward, name, parameters[name], knobs[name]) for name in knobs}


def _typed(reward: str, name: str, parameter: inspect.Parameter, value: Any) -> Any:
    from pydantic import TypeAdapter, ValidationError  # not paid for by a reward without knobs

    try:
        # as JSON, because there strict means: a list may become a tuple, "3" never a number
        return TypeAdapter(parameter.annotation).validate_json(json.dumps(value), strict=True)
    except (ValidationError, TypeError) as error:
        what = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "no plain value"
        sentence = f"knob {name!r}: {what[:1].lower()}{what[1:]}, got {value!r}"
        raise BadKnob(reward, name, sentence) from error


def _listed(known: list[str]) -> str:
    return ", ".join(known) or "no knobs"
