"""Router replay (R3): the routers of a model held against a choice of experts made elsewhere.

Sampler and trainer round differently, so a router that is all but undecided falls one way here and
another there, and the token then goes through other weights. A choice that is given is counted
against the router's own and, where asked, put in its place (Ma et al. 2025, arXiv:2510.11370). What
a chosen expert weighs is the trainer's own score of it, so gradients reach the router as ever.

Leaves out MTP layers: a sampler does not say what its draft chose.
"""

# R = rows, S = tokens of a row, N = R x S, L = layers with routed experts, E = experts,
# K = experts a token takes

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3TopkRouter

Routed = tuple[Tensor, Tensor, Tensor]
"""What a router gives: logits [N, E], weights [N, K] and the chosen experts [N, K]."""
Hook = Callable[[DeepseekV3TopkRouter, object, Routed], Routed | None]


class Differences(NamedTuple):
    """Of `tokens` tokens, how many a layer sent elsewhere than was given; and any layer at all.

    >>> Differences(layers_L=tensor([3., 0., 7.]), anywhere=tensor(9.), tokens=tensor(512.))
    """

    layers_L: Tensor
    anywhere: Tensor
    tokens: Tensor


class RouterReplay:
    """Hooks on every router of `model`. With `follows` they take the experts that are given.

    `layers` are the numbers of the decoder layers that have a router, in their order.
    """

    def __init__(self, model: nn.Module) -> None:
        self.follows = False
        self.routers: dict[int, DeepseekV3TopkRouter] = {
            _layer(name): part
            for name, part in model.named_modules()
            if isinstance(part, DeepseekV3TopkRouter)
        }
        for place, router in enumerate(self.routers.values()):
            router.register_forward_hook(self._hook(place))
        self._given_NLK: Tensor | None = None
        self._differs_LN = torch.zeros(len(self.routers), 0, dtype=torch.bool)
        self._reset()

    @property
    def layers(self) -> list[int]:
        """Numbers of the decoder layers that have a router."""
        return list(self.routers)

    @contextmanager
    def given(self, experts_RSLK: Tensor | None, *, until_next: bool = False) -> Iterator[None]:
        """Inside, the forward of one batch, whose tokens take `experts_RSLK` elsewhere.

        -1 stands where no choice is known; None: for no token. `until_next` keeps the choice
        behind the end, for activations that are computed again in the backward. Raises ValueError
        for a choice of another number of layers, or of experts, than the model's.
        """
        self._settle()
        if experts_RSLK is not None:
            self._give(experts_RSLK)
        try:
            yield
        finally:
            if not until_next:
                self._settle()

    def take(self) -> Differences:
        """What was counted since the last call."""
        self._settle()
        counted = torch.tensor([*self._layers, self._anywhere, self._tokens], dtype=torch.float32)
        self._reset()
        return Differences(counted[:-2], counted[-2], counted[-1])

    def _reset(self) -> None:
        self._layers, self._anywhere, self._tokens = [0] * len(self.routers), 0, 0

    def _give(self, experts_RSLK: Tensor) -> None:
        takes = [router.top_k for router in self.routers.values()]
        layers, chosen = experts_RSLK.shape[2:]
        if takes != [chosen] * layers:
            raise ValueError(
                f"a choice of {chosen} experts in each of {layers} layers was given to a model "
                f"that takes {takes}: it is another model's"
            )
        self._given_NLK = experts_RSLK.flatten(0, 1)
        known_N = self._given_NLK[:, 0, 0] >= 0
        self._differs_LN = known_N.new_zeros(layers, len(known_N))
        self._tokens += int(known_N.sum())

    def _settle(self) -> None:
        """Count the batch: once for each of its tokens, however often it went through a layer."""
        if self._given_NLK is not None:
            here = self._differs_LN.sum(1).tolist()
            self._layers = [sum(both) for both in zip(self._layers, here, strict=True)]
            self._anywhere += int(self._differs_LN.any(0).sum())
        self._given_NLK = None

    def _hook(self, place: int) -> Hook:
        def hook(router: DeepseekV3TopkRouter, _args: object, output: Routed) -> Routed | None:
            if self._given_NLK is None:
                return None
            logits_NE, _, own_NK = output
            given_NK = self._given_NLK[:, place].to(own_NK.dtype)
            known_N1 = given_NK[:, :1] >= 0
            given_NK = torch.where(known_N1, given_NK, own_NK)
            same_NK = given_NK.sort(-1).values == own_NK.sort(-1).values
            self._differs_LN[place] = ~same_NK.all(-1)
            if not self.follows:
                return None
            return logits_NE, gate_weights(router, logits_NE, given_NK), given_NK

        return hook


def gate_weights(router: DeepseekV3TopkRouter, logits_NE: Tensor, chosen_NK: Tensor) -> Tensor:
    """What the router weighs these experts by, [N, K]: s_i / sum of the chosen s, times the
    scaling factor, with s = sigmoid(logits) (V3 eq. 13 and 15). The bias has no part in it."""
    weights_NK = logits_NE.sigmoid().gather(1, chosen_NK)
    if router.norm_topk_prob:
        weights_NK = weights_NK / (weights_NK.sum(-1, keepdim=True) + 1e-20)
    return weights_NK * router.routed_scaling_factor


def _layer(name: str) -> int:
    """The decoder layer a module stands in, by its name: model.layers.3.mlp.gate."""
    return int(next(part for part in name.split(".") if part.isdigit()))
