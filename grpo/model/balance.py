"""Balancing experts without an auxiliary loss: watch the routers, move their biases.

After a step the bias of an expert that had more than its share of tokens goes down by gamma and
that of one that had less goes up (V3, 2.1.2). The bias chooses experts; it never weighs them.
The two losses are here as well: V3's beside the bias, and V2's, which the bias made needless.
"""

# L = layers with experts, E = experts, B = sequences, T = tokens

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers.models.deepseek_v3.modeling_deepseek_v3 import (
    DeepseekV3DecoderLayer,
    DeepseekV3TopkRouter,
)

RouterHook = Callable[[DeepseekV3TopkRouter, object, tuple[Tensor, ...]], None]


class RouterWatch:
    """Counts where the routers of some modules send real tokens, and how even each sequence is.

    `load_LE` accumulates over forwards until `reset`; `layers` are the numbers of its layers.
    With `with_balance`, `balance` is the differentiable sequence-wise balance loss of V3 of the
    last watched forward, summed over layers; with `with_expert_balance`, `expert_balance` is the
    expert-level one of V2. Neither goes together with recomputed activations.
    """

    def __init__(
        self,
        *modules: nn.Module,
        with_balance: bool = False,
        with_expert_balance: bool = False,
    ) -> None:
        found = list(_routers(modules))
        self.layers = [layer for layer, _ in found]
        self.routers = [router for _, router in found]
        for place, router in enumerate(self.routers):
            router.register_forward_hook(self._hook(place))
        self.mask_BT: Tensor | None = None
        self.lengths: Sequence[int] | None = None
        self.with_balance, self.with_expert_balance = with_balance, with_expert_balance
        self.balance: Tensor | float = 0.0
        self.expert_balance: Tensor | float = 0.0
        self.reset()

    def reset(self) -> None:
        """Forget the counts."""
        experts = self.routers[0].num_experts if self.routers else 0
        self.load_LE = torch.zeros(len(self.routers), experts)

    @contextmanager
    def watching(self, mask_BT: Tensor, lengths: Sequence[int] | None = None) -> Iterator[None]:
        """Watch the forwards inside; only tokens where `mask_BT` is true count.

        `lengths` are needed where rows hold several sequences: the tokens of each, one after the
        other as they stand in the rows.
        """
        self.mask_BT, self.lengths = mask_BT, lengths
        self.balance = self.expert_balance = 0.0
        try:
            yield
        finally:
            self.mask_BT = None

    def _hook(self, place: int) -> RouterHook:
        def hook(router: DeepseekV3TopkRouter, _args: object, output: tuple[Tensor, ...]) -> None:
            if self.mask_BT is None:
                return
            logits, _, chosen = output
            hit_BTE = torch.zeros_like(logits).scatter_(1, chosen, 1.0)
            hit_BTE = hit_BTE.view(*self.mask_BT.shape, -1) * self.mask_BT[..., None]
            self.load_LE[place] += hit_BTE.detach().sum((0, 1)).to(self.load_LE.device)
            if self.with_balance:
                even = self._evenness(logits.sigmoid(), hit_BTE, router.top_k, self.mask_BT)
                self.balance = self.balance + even
            if self.with_expert_balance:
                even = self._evenness(logits.softmax(-1), hit_BTE, router.top_k, self.mask_BT)
                self.expert_balance = self.expert_balance + even

        return hook

    def _evenness(self, score_NE: Tensor, hit_BTE: Tensor, top_k: int, mask_BT: Tensor) -> Tensor:
        score_BTE = score_NE.view(hit_BTE.shape)
        if self.lengths is not None:
            # A score of 1 behind the end, since scores are divided by their sum.
            score_BTE = _apart(score_BTE, mask_BT, self.lengths, 1.0)
            hit_BTE = _apart(hit_BTE, mask_BT, self.lengths, 0.0)
            mask_BT = _apart(mask_BT, mask_BT, self.lengths, 0.0)
        return sequence_balance(score_BTE, hit_BTE, mask_BT, top_k)


def _routers(modules: Iterable[nn.Module]) -> Iterator[tuple[int, DeepseekV3TopkRouter]]:
    """(layer, router): a layer's number in checkpoints, where MTP's come after the last."""
    for module in modules:
        layers = [one for one in module.modules() if isinstance(one, DeepseekV3DecoderLayer)]
        numbers = {getattr(one.mlp, "gate", None): one.self_attn.layer_idx for one in layers}
        for part in module.modules():
            if isinstance(part, DeepseekV3TopkRouter):
                yield numbers.get(part, 0), part


def sequence_balance(score_BTE: Tensor, hit_BTE: Tensor, mask_BT: Tensor, top_k: int) -> Tensor:
    """Mean over sequences of sum_i f_i P_i, one layer: V3 eq. 17-20 where scores are sigmoids,
    V2 eq. 23-25 where they are a softmax.

    f_i = E/(K T) x tokens of the sequence that chose i; P_i = mean over its tokens of the
    normalised score. 1 when perfectly even.
    """
    tokens_B1 = mask_BT.sum(1, keepdim=True).clamp(min=1)
    f_BE = hit_BTE.sum(1) * score_BTE.shape[-1] / (top_k * tokens_B1)
    share_BTE = score_BTE / score_BTE.sum(-1, keepdim=True)
    p_BE = (share_BTE * mask_BT[..., None]).sum(1) / tokens_B1
    return (f_BE * p_BE).sum(-1).mean()


def _apart(values: Tensor, mask_BT: Tensor, lengths: Sequence[int], fill: float) -> Tensor:
    """Values by token, [B, T, ...], with each sequence in a row of its own."""
    pieces = values[mask_BT].split(list(lengths))
    return pad_sequence(pieces, batch_first=True, padding_value=fill)


@torch.no_grad()
def move_biases(watch: RouterWatch, gamma: float) -> None:
    """b_i += gamma x sign(mean load - load_i), each layer by its own load."""
    for router, load_E in zip(watch.routers, watch.load_LE, strict=True):
        step = gamma * torch.sign(load_E.mean() - load_E)
        router.e_score_correction_bias += step.to(router.e_score_correction_bias.device)


def max_violation(load_LE: Tensor) -> float:
    """MaxVio: the largest (max load - mean load) / mean load of any layer; 0 is balance."""
    mean_L = load_LE.mean(-1).clamp(min=1e-9)
    return float(((load_LE.max(-1).values - mean_L) / mean_L).max())


def dead_share(load_LE: Tensor) -> float:
    """The share of experts, over all layers, that no token went to."""
    return float((load_LE == 0).double().mean())


def died_share(load_LE: Tensor, before_LE: Tensor) -> float:
    """The share of experts that had tokens before and have none now."""
    return float(((load_LE == 0) & (before_LE > 0)).double().mean())
