"""What a draft is worth: the share of it that the policy accepts, and the speed with and without.

Both speeds are of the same engine on the same questions, measured in turns after an evaluation;
what is drawn here is let go.
"""

import time
from collections.abc import Sequence
from typing import Any

from grpo.recipe.sections import Sampling
from grpo.sampler import ACCEPTANCE, Sampler
from grpo.types import Request

QUESTIONS, LONGEST, TURNS = 64, 256, 2


def draft_worth(
    sampler: Sampler, requests: Sequence[Request], sampling: Sampling
) -> dict[str, Any]:
    """Acceptance of all that `sampler` drew since its metrics were last read, and tokens a second
    on up to QUESTIONS of `requests`, cut at LONGEST tokens; empty where it drew with no draft."""
    metrics = dict(sampler.metrics())
    if ACCEPTANCE not in metrics:
        return {}
    asked = requests[:: -(-len(requests) // QUESTIONS)]
    short = sampling.model_copy(update={"max_tokens": min(sampling.max_tokens, LONGEST)})
    drafted, alone = _Speed(), _Speed()
    for _ in range(TURNS):
        with sampler.undrafted():
            alone.measure(sampler, asked, short)
        drafted.measure(sampler, asked, short)
    sampler.metrics()
    return {
        **{name.removeprefix("sampler/draft_"): value for name, value in metrics.items()},
        "tokens_per_second": round(drafted.value, 1),
        "tokens_per_second_without": round(alone.value, 1),
        "questions": len(asked),
    }


class _Speed:
    """Tokens and seconds of several turns."""

    def __init__(self) -> None:
        self._tokens, self._seconds = 0, 0.0

    def measure(self, sampler: Sampler, asked: Sequence[Request], sampling: Sampling) -> None:
        """One turn more."""
        started = time.perf_counter()
        drawn = sampler.sample(asked, sampling)
        self._seconds += time.perf_counter() - started
        self._tokens += sum(len(one.token_ids) for one in drawn)

    @property
    def value(self) -> float:
        """Tokens a second over all turns."""
        return self._tokens / self._seconds
