"""The reward `repetition`: a penalty for saying the same again, in [-max_penalty, 0].

It counts exact repeats of n units (words, signs, Chinese characters) anywhere in the completion.
Paraphrase is left alone: to go over a sum again in other words is reasoning.
"""

from grpo_rewards.rule import RuleReward
from grpo_rewards.verdict import Judged, Sample
from grpo_rewards.words import units

_LONGEST = 100
_MAX_CHARS = 200_000
_LETTERS = 0x110000


def repetition(*, n: int = 20, max_penalty: float = 1.0) -> RuleReward:
    """-max_penalty x (1 - distinct n-grams / n-grams), as in Yeo et al. 2025, appendix C.2.

    0 where no n-gram comes twice or the text is shorter than `n` units, towards -max_penalty for a
    loop. At 20 units the solutions of GSM8K lose nothing and MATH's 0.8% (long arrays), at 3 they
    lose 15% and 25%. "wrong" from half of `max_penalty` on. Only the first 200,000 characters are
    looked at. Raises ValueError for `n` outside 1 to 100 and a negative `max_penalty`.
    """
    if not 1 <= n <= _LONGEST:
        raise ValueError(f"n must lie in 1 to {_LONGEST} units, got {n}")
    if not 0 <= max_penalty < float("inf"):
        raise ValueError(
            f"max_penalty must be a number from 0 up (it is taken off), got {max_penalty}"
        )

    def quick(sample: Sample) -> Judged:
        repeated = repeated_share(units(sample.text[:_MAX_CHARS]), n)
        return Judged(-max_penalty * repeated or 0.0, "wrong" if repeated >= 0.5 else "correct")

    return RuleReward("repetition", quick, on_failure=-max_penalty)


def repeated_share(pieces: list[str], n: int) -> float:
    """The share of n-grams, in [0, 1), that are not the first of their kind."""
    total = len(pieces) - n + 1
    if total < 1:
        return 0.0
    # One letter a kind of piece: an n-gram is then a slice of one string, cheap to make and keep.
    letters: dict[str, str] = {}
    line = "".join(letters.setdefault(piece, chr(len(letters) % _LETTERS)) for piece in pieces)
    return 1 - len({line[at : at + n] for at in range(total)}) / total
