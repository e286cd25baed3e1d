"""Settings that the general generators share, checked in one sentence."""

from grpo_data.world.manners.wording import SIDES


def check_share(held_out: object, source: str) -> None:
    """Raise ValueError, naming `source`, unless `held_out` is a share below 1."""
    is_number = isinstance(held_out, int | float) and not isinstance(held_out, bool)
    if not is_number or not 0 <= held_out < 1:  # type: ignore[operator]
        raise ValueError(f"{source}: held_out is a share in [0, 1), got {held_out!r}.")


def check_paraphrases(paraphrases: str, source: str) -> None:
    """Raise ValueError, naming `source`, unless `paraphrases` is a side or "all"."""
    if paraphrases not in (*SIDES, "all"):
        raise ValueError(
            f"{source}: paraphrases is one of {', '.join(SIDES)}, all; got {paraphrases!r}."
        )
