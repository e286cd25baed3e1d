"""How much a forward computes, in floating-point operations: the unit arms are compared in.

    forward = 2 x active parameters x tokens + 2 x (d_qk + d_v) x heads x layers x pairs

A multiplication and an addition are two operations. Active parameters are those a token meets:
all but the embedding, which is looked up, with the head, and of the routed experts the share that
a token takes. Pairs are of a token with itself and those before it, n (n + 1) / 2 in a sequence of
n tokens. A forward with its backward is three forwards. Drawing a completion is a forward over
prompt and completion, for with a cache of keys each token passes once; each prompt is counted with
each of its completions.

These are the operations of the model, not of the machine: padding, recomputed activations or
logits, prompts an engine has in its cache, drafts and looks at held-out problems are left out.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from grpo.model.mtp import Mtp

WITH_BACKWARD = 3


@dataclass(frozen=True)
class ForwardCost:
    """FLOPs of a forward for each token, and for each pair of a token and one it attends to.

    >>> ForwardCost(a_token=1_640_448, a_pair=1_024)
    """

    a_token: int
    a_pair: int

    @classmethod
    def of(cls, model: PreTrainedModel) -> "ForwardCost":
        """A causal LM's, or a reward model's, whose head of one score takes the other's place."""
        config, embedding = model.config.get_text_config(), model.get_input_embeddings().weight
        active = _active(model, config)
        head = model.get_output_embeddings()
        if head is None or head.weight is not embedding:
            active -= embedding.numel()
        return cls(2 * active, _a_pair(config) * config.num_hidden_layers)

    @classmethod
    def of_draft(cls, mtp: Mtp, model: PreTrainedModel) -> "ForwardCost":
        """What MTP layers add: as many more layers, and the model's head once more for each."""
        config, head = model.config.get_text_config(), model.get_output_embeddings().weight
        heads = mtp.depth * head.numel()
        return cls(2 * (_active(mtp, config) + heads), mtp.depth * _a_pair(config))

    def __add__(self, other: "ForwardCost") -> "ForwardCost":
        return ForwardCost(self.a_token + other.a_token, self.a_pair + other.a_pair)

    def forward(self, lengths: Iterable[int]) -> int:
        """FLOPs of a forward over sequences of these many tokens."""
        return sum(self.a_token * n + self.a_pair * n * (n + 1) // 2 for n in lengths)


class Spent:
    """Adds up FLOPs until they are taken."""

    def __init__(self) -> None:
        self._flops = 0

    def forward(self, cost: ForwardCost, lengths: Iterable[int]) -> None:
        """Count a forward, and its backward where gradients are on."""
        self._flops += cost.forward(lengths) * (WITH_BACKWARD if torch.is_grad_enabled() else 1)

    def take(self) -> int:
        """The FLOPs since the last call."""
        taken, self._flops = self._flops, 0
        return taken


def over_all(accelerator: Accelerator, flops: int) -> float:
    """The FLOPs of all processes."""
    here = torch.tensor(flops, dtype=torch.float64, device=accelerator.device)
    return float(accelerator.reduce(here))


def _active(module: nn.Module, config: PretrainedConfig) -> int:
    """The parameters that a token meets, the embedding among them."""
    sizes = {name: parameter.numel() for name, parameter in module.named_parameters()}
    routed = sum(size for name, size in sizes.items() if ".experts." in f".{name}")
    left_out = routed - routed * config.num_experts_per_tok // _experts(config) if routed else 0
    return sum(sizes.values()) - left_out


def _experts(config: PretrainedConfig) -> int:
    """Routed experts a layer; each family has its own word for them."""
    names = ("n_routed_experts", "num_local_experts", "num_experts")
    return int(next(getattr(config, name) for name in names if getattr(config, name, None)))


def _a_pair(config: PretrainedConfig) -> int:
    """FLOPs of one layer for a token and one it attends to: score it, and add its value."""
    heads = config.num_attention_heads
    d_qk = getattr(config, "qk_head_dim", None) or getattr(config, "head_dim", None)
    d_qk = d_qk or config.hidden_size // heads
    d_v = getattr(config, "v_head_dim", None) or d_qk
    return int(2 * heads * (d_qk + d_v))
