"""A fixed number of prompts a step, every group of which belongs to the step's batch."""

from contextlib import AbstractContextManager, nullcontext
from functools import partial

from grpo.rollout.shelf import RolloutShelf
from grpo.types import Rollout
from grpo_data.blend import Blend
from grpo_data.mixture import Stream
from grpo_data.problem import Problem

Order = Stream[Problem] | Blend[Problem]


class Fixed:
    """`prompts` a step, in the order of `problems`."""

    def __init__(self, shelf: RolloutShelf, problems: Order, prompts: int) -> None:
        self._shelf, self._problems, self._prompts = shelf, problems, prompts

    def take(self, step: int) -> Rollout:
        """What `step` draws."""
        return self._shelf.take(step, partial(self._problems.batch, step, self._prompts))

    def batch(self, drawn: Rollout) -> Rollout:
        """What the step learns from: all of it."""
        return drawn

    def meanwhile(self, step: int) -> AbstractContextManager[None]:
        """Nothing is drawn beside an update."""
        return nullcontext()
