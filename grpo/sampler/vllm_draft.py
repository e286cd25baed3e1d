"""The adapter's part for a running draft: what vLLM counted of it, and how it is laid to rest.

Like the adapter, it touches what vLLM does not promise to keep; pushing weights stays there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import Tensor

from grpo.sampler.drafting import DraftCounts

if TYPE_CHECKING:
    from vllm import LLM


def draft_counts(llm: "LLM") -> DraftCounts:
    """What the draft proposed and the target accepted, since the engine started."""
    said = {metric.name: metric for metric in llm.get_metrics()}
    drafts, proposed, accepted = (
        said.get(f"vllm:spec_decode_num_{name}")
        for name in ("drafts", "draft_tokens", "accepted_tokens_per_pos")
    )
    return DraftCounts(
        int(getattr(drafts, "value", 0)),
        int(getattr(proposed, "value", 0)),
        tuple(map(int, getattr(accepted, "values", ()))),
    )


@contextmanager
def resting_draft(llm: "LLM", seats: int) -> Iterator[None]:
    """Inside, nothing is drafted: no token is proposed, and the draft's forward does not run.

    The scheduler plans for no drafted tokens whatever the batch's size, up to `seats`, as vLLM's
    own schedule by batch size would have it; that alone would leave the forward.
    """
    core: Any = llm.llm_engine.engine_core
    scheduler = core.engine_core.scheduler
    held, scheduler.dynamic_sd_lookup = scheduler.dynamic_sd_lookup, [0] * (seats + 1)
    llm.collective_rpc(_rest)
    try:
        yield
    finally:
        llm.collective_rpc(_wake)
        scheduler.dynamic_sd_lookup = held


def _rest(worker: Any) -> None:
    worker.model_runner.drafter.propose = _propose_nothing


def _wake(worker: Any) -> None:
    del worker.model_runner.drafter.propose


def _propose_nothing(*, next_token_ids: Tensor, **_: Any) -> Tensor:
    """[B, 0] drafted tokens."""
    return next_token_ids.new_empty(len(next_token_ids), 0)
