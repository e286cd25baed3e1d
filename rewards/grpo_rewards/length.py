"""The rewards `length` and `soft_overlong`: a right answer in few tokens, and no overlong ones.

Lengths are in tokens, the end token included; where the token ids are not known, in words, signs
and Chinese characters, of which a text has somewhat fewer. Group-relative lengths (Kimi k1.5) are
left out: a reward here sees one completion.
"""

from collections.abc import Callable

from grpo_rewards import tags
from grpo_rewards.accuracy import accuracy
from grpo_rewards.rule import RuleReward
from grpo_rewards.verdict import UNPARSEABLE, Judged, Sample
from grpo_rewards.words import units


def length(*, target: int, window: int | None = None, only_correct: bool = True) -> RuleReward:
    """L1-Max (Aggarwal and Welleck 2025): [answer right] x clip(1/2 + (target - n) / (2 window)).

    n is the completion's length, `clip` to [0, 1]: 1 up to target - window, 1/2 at `target`, 0 from
    target + window on. `window` is `target` if not given; the paper's slope of 0.0003 a token is a
    window of 1,667. Right is what `accuracy` says is right, so that no answer is never the shortest
    way. With only_correct=False every completion that shows text after its thought is paid, for use
    beside a reward that judges the answer by other means. Raises ValueError for a `target` or
    `window` below 1.
    """
    half = target if window is None else window
    if target < 1 or half < 1:
        raise ValueError(f"target and window must be 1 or more, got {target} and {half}")

    def priced(sample: Sample) -> Judged:
        value = min(1.0, max(0.0, 0.5 + (target - tokens(sample)) / (2 * half)))
        return Judged(value, "correct" if value > 0 else "wrong")

    return _if_correct(priced) if only_correct else RuleReward("length", _if_answered(priced))


def soft_overlong(*, max_tokens: int, buffer: int) -> RuleReward:
    """DAPO's equation 13, in [-1, 0]: nothing, a slope over the last `buffer` tokens, then -1.

    n <= max_tokens - buffer: 0; up to max_tokens: (max_tokens - buffer - n) / buffer; above: -1.
    DAPO has max_tokens=20480 and buffer=4096. Set `max_tokens` to what the sampler may draw: a
    completion cut off there has -1. Raises ValueError unless 0 <= buffer <= max_tokens, 1 <=
    max_tokens.
    """
    if max_tokens < 1 or not 0 <= buffer <= max_tokens:
        raise ValueError(
            f"max_tokens must be 1 or more and buffer lie in 0 to max_tokens, "
            f"got {max_tokens} and {buffer}"
        )

    def quick(sample: Sample) -> Judged:
        over = tokens(sample) - (max_tokens - buffer)
        if over <= 0:
            return Judged(0.0, "correct")
        return Judged(-over / buffer if over <= buffer else -1.0, "wrong")

    return RuleReward("soft_overlong", quick, on_failure=-1.0)


def tokens(sample: Sample) -> int:
    """The length of a completion: its tokens where known, else its words, signs and characters."""
    return len(units(sample.text) if sample.token_ids is None else sample.token_ids)


def _if_correct(priced: Callable[[Sample], Judged]) -> RuleReward:
    judge = accuracy()

    def settled(judged: Judged, sample: Sample) -> Judged:
        return priced(sample) if judged.outcome == "correct" else judged

    def quick(sample: Sample) -> Judged | None:
        judged = judge.quick(sample)
        return None if judged is None else settled(judged, sample)

    def full(sample: Sample) -> Judged:
        return settled(judge.judge(sample), sample)

    return RuleReward("length", quick, full, judge.prepare)


def _if_answered(priced: Callable[[Sample], Judged]) -> Callable[[Sample], Judged]:
    def quick(sample: Sample) -> Judged:
        shown = tags.after_thought(sample.text, tags.opened_by(sample.prompt))
        return priced(sample) if tags.is_filled(shown) else UNPARSEABLE

    return quick
