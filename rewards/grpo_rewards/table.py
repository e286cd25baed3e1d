"""The one table of reward names, and how a name, a file or a dotted path becomes a reward.

A line names a factory, whose keyword-only parameters are the reward's knobs. To add a reward to the
library, write its file and give it a line here. To use your own, name it in the recipe: nothing
here needs a change.
"""

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from grpo_rewards.errors import RewardError
from grpo_rewards.knobs import Bound, check_names, checked
from grpo_rewards.rule import RuleReward

TABLE = {
    "accuracy": "grpo_rewards.accuracy:accuracy",
    "accuracy_lenient": "grpo_rewards.accuracy:accuracy_lenient",
    "choice": "grpo_rewards.choice:choice",
    "code": "grpo_rewards.code:code",
    "format": "grpo_rewards.format:format",
    "language_consistency": "grpo_rewards.language:language_consistency",
    "length": "grpo_rewards.length:length",
    "reasoning_gym": "grpo_rewards.reasoning_gym:reasoning_gym",
    "repetition": "grpo_rewards.repetition:repetition",
    "reward_model": "grpo_rewards.reward_model:reward_model",
    "soft_overlong": "grpo_rewards.length:soft_overlong",
}

Reward = RuleReward | Callable[..., Any]


@dataclass(frozen=True)
class Target:
    """Where a reward is found: an attribute of a file or of a module.

    >>> Target("my_rewards.py:brevity", "/home/ada/my_rewards.py", "brevity", is_file=True)
    """

    name: str
    place: str
    attribute: str
    is_file: bool

    @property
    def is_built_in(self) -> bool:
        """Whether the name stands in the table."""
        return _bare(self.name) in TABLE


def find(name: str) -> Target:
    """Where the reward `name` is to be found, without importing it.

    `name` is one of the table, `path/to/file.py:function` (relative to the working directory) or
    `package.module.function`; what follows an @ tells two uses of one reward apart, as
    `reward_model@helpful`. Raises RewardError for a name nothing can be found by.
    """
    if _bare(name) in TABLE:
        place, _, attribute = TABLE[_bare(name)].partition(":")
        return Target(name, place, attribute, is_file=False)
    place, colon, attribute = _bare(name).rpartition(":")
    if colon and place.endswith(".py"):
        return _find_file(name, place, attribute)
    place, dot, attribute = _bare(name).replace(":", ".").rpartition(".")
    if dot and place and attribute:
        return _find_module(name, place, attribute)
    raise RewardError(_unknown(name))


def load(target: Target, knobs: Mapping[str, Any] = MappingProxyType({})) -> Reward:
    """Import the reward a target points to, its knobs set.

    Raises RewardError where it is not there, and BadKnob for a knob it does not have.
    """
    module = _import_file(target) if target.is_file else _import_module(target)
    found: Callable[..., Any] | None = getattr(module, target.attribute, None)
    if not callable(found):
        raise RewardError(
            f"reward {target.name!r}: {target.place} has no function {target.attribute!r}; "
            f"write def {target.attribute}(prompts, completions, **columns) in it"
        )
    if target.is_built_in:
        return _built(target.name, found, knobs)
    check_names(target.name, found, knobs)
    return Bound(found, knobs) if knobs else found


def check(target: Target, knobs: Mapping[str, Any]) -> None:
    """Raises BadKnob unless a reward of the table has these knobs and takes their values.

    Neither sympy nor torch is imported, and nobody's code but the table's is run.
    """
    if target.is_built_in:
        load(target, knobs)


def _built(name: str, factory: Callable[..., RuleReward], knobs: Mapping[str, Any]) -> RuleReward:
    try:
        return factory(**checked(name, factory, knobs))
    except RewardError:
        raise
    except ValueError as error:
        raise RewardError(f"reward {name!r}: {error}") from error


def _bare(name: str) -> str:
    """The name without the label behind its last @; an @ of a folder's name is none."""
    bare, at, label = name.rpartition("@")
    return bare if at and re.fullmatch(r"[\w-]+", label) else name


def _unknown(name: str) -> str:
    near = get_close_matches(_bare(name), TABLE, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return (
        f"unknown reward {name!r}: {hint}known are {', '.join(TABLE)}; "
        f"your own is named path/to/file.py:function or package.module.function"
    )


def _find_file(name: str, place: str, attribute: str) -> Target:
    path = Path(place).expanduser().resolve()
    if not path.is_file():
        raise RewardError(f"reward {name!r}: there is no file {path}")
    if not attribute.isidentifier():
        raise RewardError(
            f"reward {name!r}: name the function after the colon, as file.py:function"
        )
    return Target(name, str(path), attribute, is_file=True)


def _find_module(name: str, place: str, attribute: str) -> Target:
    package = place.partition(".")[0]
    if not package.isidentifier() or importlib.util.find_spec(package) is None:
        raise RewardError(f"reward {name!r}: no package {package!r} is installed; {_unknown(name)}")
    return Target(name, place, attribute, is_file=False)


def _import_module(target: Target) -> ModuleType:
    try:
        return importlib.import_module(target.place)
    except ImportError as error:
        message = f"reward {target.name!r}: cannot import {target.place} ({error})"
        raise RewardError(message) from error


def _import_file(target: Target) -> ModuleType:
    """The module of a reward file; files beside it can be imported by it, after all else."""
    path = Path(target.place)
    module_name = f"_grpo_reward_{path.stem}_{abs(hash(path)):x}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise RewardError(f"reward {target.name!r}: {path} is not a Python file")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    return module
