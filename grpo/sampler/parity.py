"""The parity gate: the sampler's log-probabilities against the trainer's, on the same tokens.

Pure numbers: who sampled and who scored is not known here. A gap within the dtype's bound is
rounding; beyond it one side has other weights, experts, temperature or positions than the other,
and training on would be off-policy without a word. What a 16-bit bound cannot see is a difference
smaller than that dtype's rounding.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from grpo.errors import UserError
from grpo.recipe.sections import Parity
from grpo.types import Completion


class ParityError(UserError):
    """The sampler's policy is not the trainer's; the run must stop."""


@dataclass(frozen=True)
class ParityReport:
    """Gaps |sampler log-prob - trainer log-prob| in nats, over the `tokens` tokens compared.

    `set_aside` completions, those with the widest gaps, are not in these numbers.

    >>> ParityReport(mean=1.9e-06, max=1.3e-05, tokens=431, set_aside=2)
    """

    mean: float
    max: float
    tokens: int
    set_aside: int


@dataclass(frozen=True)
class _Bounds:
    mean: float
    max: float


# Measured on random mixtures of experts, where a router's near-tie shows at once: see the tests.
# 16-bit numbers have no bound on a single token: one expert chosen otherwise moves it by nats.
_BOUNDS = {
    "float32": _Bounds(1e-4, 5e-3),
    "float16": _Bounds(0.03, math.inf),
    "bfloat16": _Bounds(0.1, math.inf),
}

_CAUSES = (
    "likely causes: the sampler's weights are stale (no sync after the update, or a prefix cache "
    "that outlived one), a sync spoilt the experts, the two sides apply another temperature, or "
    "another rotary embedding"
)


def parity_gate(
    completions: Sequence[Completion],
    trainer_logprobs: Sequence[Sequence[float]],
    *,
    dtype: str,
    config: Parity,
) -> ParityReport:
    """The report where the two sides agree; raises ParityError with the numbers where not.

    `trainer_logprobs` holds one log-probability a token of each completion, at the temperature
    the completions were drawn with; draw them with top_p = 1 and top_k = 0, whose cuts a trainer
    does not make. `dtype` is the coarser of the two sides'.
    """
    report, bounds = _report(_gaps(completions, trainer_logprobs)), _bounds(dtype, config)
    if report.mean > bounds.mean or report.max > bounds.max:
        raise ParityError(
            f"the sampler's policy is not the trainer's: over {report.tokens} tokens the "
            f"log-probabilities differ by {report.mean:.2g} nats on average (bound "
            f"{bounds.mean:.2g}) and by {report.max:.2g} at most (bound {bounds.max:.2g}, "
            f"{dtype}); {_CAUSES}"
        )
    return report


def _gaps(
    completions: Sequence[Completion], trainer_logprobs: Sequence[Sequence[float]]
) -> list[list[float]]:
    """Each completion's gaps, narrowest completion first."""
    gaps = [
        [abs(ours - theirs) for ours, theirs in zip(c.logprobs, scored, strict=True)]
        for c, scored in zip(completions, trainer_logprobs, strict=True)
    ]
    gaps = [g for g in gaps if g]
    if not gaps:
        raise ValueError("the parity gate got no tokens to compare")
    if not all(math.isfinite(gap) for row in gaps for gap in row):
        raise ParityError("a log-probability of the sampler or the trainer is not a number")
    return sorted(gaps, key=lambda row: sum(row) / len(row))


def _report(gaps: list[list[float]]) -> ParityReport:
    """The numbers of the narrower three quarters.

    A router that is all but undecided between two experts may fall either way on the two sides:
    one token, or the rest of one completion, then differs by whole nats and nothing is wrong. It
    happens about once in 100,000 tokens in float32. What is wrong shows in every completion.
    """
    set_aside = len(gaps) // 4
    kept = [gap for row in gaps[: len(gaps) - set_aside] for gap in row]
    return ParityReport(sum(kept) / len(kept), max(kept), len(kept), set_aside)


def _bounds(dtype: str, config: Parity) -> _Bounds:
    usual = _BOUNDS[dtype]
    return _Bounds(
        usual.mean if config.mean_bound is None else config.mean_bound,
        usual.max if config.max_bound is None else config.max_bound,
    )


def draft_gate(expected: int | str, got: int | str, what: str = "weights") -> None:
    """Stops where the draft's `what` are not the pushed ones.

    A stale draft leaves every token and log-probability as it was and only wastes its proposals,
    so no parity check on the policy can see it: checksums can.
    """
    if expected != got:
        raise ParityError(
            f"the MTP draft's {what} are not what was pushed (checksum {_short(got)}, expected "
            f"{_short(expected)}): the engine would propose with a stale or corrupt draft; "
            f"sampler.draft_tokens=0 runs without one"
        )


def _short(checksum: int | str) -> str:
    return f"{checksum:016x}" if isinstance(checksum, int) else checksum[:16]
