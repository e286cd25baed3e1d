"""The sampler's protocol: draw completions, take new weights, let go of the machine.

Nothing here says how: `plain` is slow and right, `vllm` is fast and checked against the trainer.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, TypeAlias

from grpo.recipe.sections import Sampling
from grpo.types import Completion, Request

if TYPE_CHECKING:
    from torch import Tensor

Weights: TypeAlias = "Iterable[tuple[str, Tensor]]"


class Sampler(Protocol):
    """An engine that holds a copy of the policy and draws from it."""

    @property
    def dtype(self) -> str:
        """The dtype the engine computes in, e.g. "float32": what a parity bound depends on."""
        ...

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        """One completion a request, in the order of the requests.

        The tokens depend on the request's prompt and seed alone, never on its neighbours. A
        completion ends at `sampling.max_tokens` or where prompt and completion fill the engine's
        `max_model_len`. Raises UserError for a prompt that leaves no room, ValueError for an
        empty one.
        """
        ...

    def stream(
        self, requests: Sequence[Request], sampling: Sampling
    ) -> Generator[tuple[int, Completion]]:
        """(place in `requests`, completion) as they are finished, begun in the given order.

        The same completions as `sample`'s. Closing the iterator drops what is not finished; until
        it is closed or at its end, nothing else may be asked of the engine.
        """
        ...

    def sync(self, weights: Weights, draft: Weights = ()) -> None:
        """Takes the trainer's weights, all of them, under the names of the checkpoint files.

        `draft` are those of the MTP layers (model.layers.N.*), needed where the engine runs them.
        Whatever was computed with the old weights is dropped.
        """
        ...

    def undrafted(self) -> AbstractContextManager[None]:
        """Inside, a token at a time is drawn, from the same policy; as ever where none drafts."""
        ...

    def metrics(self) -> Mapping[str, float]:
        """What the engine counted since the last call, by metric name; may be empty."""
        ...

    def close(self) -> None:
        """Frees the engine's memory; further calls are errors, a second close is not."""
        ...
