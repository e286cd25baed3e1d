"""Settings that the general generators share, checked in one sentence."""

from collections.abc import Mapping

from grpo_data.world.manners.kinds import GENERAL
from grpo_data.world.manners.wording import SHOWN, SIDES


def check_share(held_out: object, source: str) -> None:
    """Raise ValueError, naming `source`, unless `held_out` is a share below 1."""
    is_number = isinstance(held_out, int | float) and not isinstance(held_out, bool)
    if not is_number or not 0 <= held_out < 1:  # type: ignore[operator]
        raise ValueError(f"{source}: held_out is a share in [0, 1), got {held_out!r}.")


def check_paraphrases(paraphrases: str, source: str) -> None:
    """Raise ValueError, naming `source`, unless `paraphrases` is a side, a part of one or "all"."""
    known = (*SIDES, SHOWN, "all")
    if paraphrases not in known:
        raise ValueError(
            f"{source}: paraphrases is one of {', '.join(known)}; got {paraphrases!r}."
        )


def check_kinds(kinds: Mapping[str, float], source: str) -> None:
    """Raise ValueError, naming `source`, unless `kinds` are numbers above 0 by known names."""
    if not kinds or not set(kinds) <= set(GENERAL):
        raise ValueError(f"{source}: kinds are of {', '.join(GENERAL)}; got {', '.join(kinds)}.")
    for kind, often in kinds.items():
        if not isinstance(often, int | float) or not often > 0:
            raise ValueError(f"{source}: kinds.{kind} is a number above 0, got {often!r}.")
