"""The one table of reward names, and how a name, a file or a dotted path becomes a reward.

To add a reward to the library, write its file and give it a line here. To use your own, name it in
the recipe: nothing here needs a change.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from grpo_rewards.errors import RewardError
from grpo_rewards.rule import RuleReward

TABLE = {
    "accuracy": "grpo_rewards.accuracy:accuracy",
    "accuracy_lenient": "grpo_rewards.accuracy:accuracy_lenient",
    "format": "grpo_rewards.format:format",
    "language_consistency": "grpo_rewards.language:language_consistency",
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
        return self.name in TABLE


def find(name: str) -> Target:
    """Where the reward `name` is to be found, without importing it.

    `name` is one of the table, `path/to/file.py:function` (relative to the working directory) or
    `package.module.function`. Raises RewardError for a name nothing can be found by.
    """
    if name in TABLE:
        place, _, attribute = TABLE[name].partition(":")
        return Target(name, place, attribute, is_file=False)
    place, colon, attribute = name.rpartition(":")
    if colon and place.endswith(".py"):
        return _find_file(name, place, attribute)
    place, dot, attribute = name.replace(":", ".").rpartition(".")
    if dot and place and attribute:
        return _find_module(name, place, attribute)
    raise RewardError(_unknown(name))


def load(target: Target) -> Reward:
    """Import the reward a target points to. Raises RewardError where it is not there."""
    module = _import_file(target) if target.is_file else _import_module(target)
    reward: Reward | None = getattr(module, target.attribute, None)
    if not isinstance(reward, RuleReward) and not callable(reward):
        raise RewardError(
            f"reward {target.name!r}: {target.place} has no function {target.attribute!r}; "
            f"write def {target.attribute}(prompts, completions, **columns) in it"
        )
    return reward


def _unknown(name: str) -> str:
    near = get_close_matches(name, TABLE, n=1)
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
