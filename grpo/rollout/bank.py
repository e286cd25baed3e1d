"""Dynamic sampling that wastes nothing: groups of equal reward are replaced by others, and what is
left over is banked for the next step.

There is no state beside the rollouts' files: that of a step says how far the problems are read and
which of its groups the next step learns from. A step draws in rounds, since only groups that are
judged show how many are still missing.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial

from grpo.errors import UserError
from grpo.rollout.filling import Filling
from grpo.rollout.fixed import Order
from grpo.rollout.record import read_rollout
from grpo.rollout.shelf import RolloutShelf
from grpo.types import Group, Refilled, Rollout

Live = Callable[[Rollout], Sequence[bool]]
"""Which groups of a rollout teach something."""

_NOTHING = Refilled(learnt=(), places={})


class Bank:
    """`prompts` live groups a step, in `rounds` of drawing at most.

    With `by_domain` each domain's dead groups are replaced from the domain's own order, so that its
    share is one of what is learnt from.
    """

    def __init__(
        self,
        shelf: RolloutShelf,
        problems: Order,
        live: Live,
        *,
        prompts: int,
        rounds: int,
        by_domain: bool = False,
    ) -> None:
        self._shelf, self._problems, self._live = shelf, problems, live
        self._prompts, self._rounds, self._by_domain = prompts, rounds, by_domain
        # Only a memory of the last two files. Never part of the result.
        self._known: dict[int, Rollout] = {}

    def take(self, step: int) -> Rollout:
        """What `step` draws, dead groups and those for the next step among it.

        Raises UserError where the file of the step before is gone.
        """
        rollout = self._shelf.filed(step, partial(self._filled, step))
        self._known = {at: one for at, one in self._known.items() if at == step - 1}
        self._known[step] = rollout
        return rollout

    def batch(self, drawn: Rollout) -> Rollout:
        """What the step learns from: what was banked for it, then live groups of its own.

        Where the rounds ran out these are fewer than `prompts`, or none.
        """
        step = drawn.step
        banked = [replace(group, drawn=step - 1) for group in _learnt(self._before(step), step)]
        return Rollout(step, (*banked, *_learnt(drawn, step)))

    def meanwhile(self, step: int) -> AbstractContextManager[None]:
        """Nothing is drawn beside an update."""
        return nullcontext()

    def _filled(self, step: int) -> Rollout:
        """A rollout of `step`, in as many rounds as it takes."""
        filling = self._begun(step)
        while not filling.is_full and filling.rounds < self._rounds:
            turns = filling.turns()
            problems = [self._problems.row(part, place) for part, place in turns]
            groups = self._shelf.collect(problems, step, filling.times(problems))
            live = self._live(Rollout(step, groups))
            filling.add([part for part, _ in turns], groups, live)
        return filling.rollout()

    def _begun(self, step: int) -> Filling:
        """The step before its first round."""
        before = self._before(step)
        refilled = before.refilled or _NOTHING
        parts = [self._part(group) for group in before.groups]
        banked = Counter(
            part for part, at in zip(parts, refilled.learnt, strict=True) if at == step
        )
        quota, later = (self._problems.quota(at, self._prompts) for at in (step, step + 1))
        filling = Filling(step, quota, later, banked, refilled.places)
        filling.remember(parts, [at is not None for at in refilled.learnt])
        return filling

    def _before(self, step: int) -> Rollout:
        """The rollout of the step before; an empty one before the first."""
        if step == 0:
            return Rollout(-1, ())
        if step - 1 not in self._known:
            self._known[step - 1] = self._read(step - 1)
        return self._known[step - 1]

    def _read(self, step: int) -> Rollout:
        file = self._shelf.file(step)
        if not file.is_file():
            raise UserError(
                f"{file} is gone, and with it the groups it banked for step {step + 1}; put it "
                "back, or let the stage begin anew with --from"
            )
        return read_rollout(file)

    def _part(self, group: Group) -> str:
        return group.problem.domain if self._by_domain else ""


def _learnt(rollout: Rollout, step: int) -> list[Group]:
    """The groups of `rollout` that `step` learns from."""
    learnt = (rollout.refilled or _NOTHING).learnt
    return [group for group, at in zip(rollout.groups, learnt, strict=True) if at == step]
