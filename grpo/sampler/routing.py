"""What the routers of a transformers model chose while it generated, token by token.

Nothing of the model is changed: hooks look on while a batch is drawn and are gone after it. Only
DeepSeek-V3's routers are known; of any other model nothing is noted.
"""

# B = sequences, S = tokens of one forward, L = layers with routed experts,
# K = experts a token takes

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3TopkRouter

from grpo.types import Routing

_BYTE = 256


class RoutingNotes:
    """The choices of the forwards of one batch, whose prompts are padded on the left."""

    def __init__(self, model: nn.Module) -> None:
        modules = model.modules()
        self._routers = [part for part in modules if isinstance(part, DeepseekV3TopkRouter)]
        self._chosen: list[list[Tensor]] = [[] for _ in self._routers]

    @contextmanager
    def taking(self) -> Iterator[None]:
        """Notes, inside, what every forward of the model chooses."""
        both = zip(self._routers, self._chosen, strict=True)
        handles = [
            router.register_forward_hook(
                lambda _router, _args, output, notes=notes: notes.append(output[2].short().cpu())
            )
            for router, notes in both
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def cut(self, prompts: list[int], completions: list[int]) -> list[Routing | None]:
        """Each sequence's, by the lengths of its prompt and its completion; None for all where
        the model has no routers."""
        if not self._routers:
            return [None] * len(prompts)
        layers = [
            torch.cat([part.unflatten(0, (len(prompts), -1)) for part in parts], dim=1)
            for parts in self._chosen
        ]
        ids_BSLK = torch.stack(layers, dim=2).numpy().astype(self._dtype)
        longest = max(prompts)
        return [
            Routing.of(ids_SLK[longest - prompt : longest + completion - 1])
            for ids_SLK, prompt, completion in zip(ids_BSLK, prompts, completions, strict=True)
        ]

    @property
    def _dtype(self) -> type[np.unsignedinteger]:
        """Wide enough for any expert of the model, whichever were chosen."""
        return np.uint8 if self._routers[0].num_experts <= _BYTE else np.uint16
