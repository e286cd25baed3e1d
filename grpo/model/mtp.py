"""Multi-token prediction: DeepSeek-V3's extra modules that predict tokens after the next.

Embedding and head are the main model's; what is a module's own lies in the checkpoint as the layers
after the last, which transformers leaves aside and vLLM reads as its draft. How deep a checkpoint
goes is for `depth` to say.
"""

# B = sequences, T = tokens, D = model dimension, K = modules

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from transformers import DeepseekV3ForCausalLM
from transformers.masking_utils import create_causal_mask
from transformers.models.deepseek_v3.modeling_deepseek_v3 import (
    DeepseekV3DecoderLayer,
    DeepseekV3RMSNorm,
)


class MtpLayer(nn.Module):
    """h'_i = Block(W [norm(embed(t_{i+k})) ; norm(h_i)]), then norm and the shared head.

    V3 eq. 21-23 of module k with the operands in the order of the published weights. h_i, the main
    model's or the module's before, is taken after its norm, and the embedding at position 0 is
    nought: the two choices of the engines that use the modules as a draft.
    """

    def __init__(self, main: DeepseekV3ForCausalLM, index: int) -> None:
        super().__init__()
        config = main.config
        self.index = index
        self.enorm = DeepseekV3RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.hnorm = DeepseekV3RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.eh_proj = nn.Linear(2 * config.hidden_size, config.hidden_size, bias=False)
        self.block = DeepseekV3DecoderLayer(config, index)
        self.norm = DeepseekV3RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        nn.init.normal_(self.eh_proj.weight, std=config.initializer_range)
        self.block.apply(main._init_weights)

    def forward(
        self,
        main: DeepseekV3ForCausalLM,
        hidden_BTD: Tensor,
        embeds_BTD: Tensor,
        positions_BT: Tensor,
    ) -> Tensor:
        """Hidden states [B, T, D], after the module's norm."""
        embeds_BTD = embeds_BTD.masked_fill((positions_BT == 0)[..., None], 0.0)
        x = self.eh_proj(torch.cat([self.enorm(embeds_BTD), self.hnorm(hidden_BTD)], dim=-1))
        mask = create_causal_mask(
            config=main.config,
            inputs_embeds=x,
            attention_mask=None,
            past_key_values=None,
            position_ids=positions_BT,
        )
        rotary = main.model.rotary_emb(x, positions_BT)
        x = self.block(
            x, attention_mask=mask, position_embeddings=rotary, position_ids=positions_BT
        )
        return self.norm(x)


class Mtp(nn.Module):
    """All the modules of a model, `depth` of them (none said: as many as its config says).

    Module k stands on module k - 1, and the first on the main model: the causal chain is kept.
    """

    def __init__(self, main: DeepseekV3ForCausalLM, depth: int | None = None) -> None:
        super().__init__()
        depth = main.config.num_nextn_predict_layers if depth is None else depth
        first = main.config.num_hidden_layers
        self.layers = nn.ModuleList(MtpLayer(main, first + k) for k in range(depth))

    @property
    def depth(self) -> int:
        """How many modules there are."""
        return len(self.layers)

    def forward(
        self,
        main: DeepseekV3ForCausalLM,
        hidden_BTD: Tensor,
        ahead_KBT: Sequence[Tensor],
        positions_BT: Tensor | None = None,
        *,
        detached: bool = False,
    ) -> list[Tensor]:
        """Hidden states [B, T, D] of each module; those of the k-th at i predict token i + k + 1.

        `ahead_KBT` are, for k = 1 and on, each place's tokens k places ahead. `positions_BT` are
        needed where a row holds several sequences: each begins at 0, and none looks into another.
        With `detached` no gradient goes from here into the main model's states or its embedding.
        """
        if positions_BT is None:
            positions_BT = torch.arange(hidden_BTD.shape[1], device=hidden_BTD.device)[None]
        state_BTD = hidden_BTD.detach() if detached else hidden_BTD
        states = []
        for layer, ahead_BT in zip(self.layers, ahead_KBT, strict=True):
            embeds_BTD = main.model.embed_tokens(ahead_BT)
            embeds_BTD = embeds_BTD.detach() if detached else embeds_BTD
            state_BTD = layer(main, state_BTD, embeds_BTD, positions_BT)
            states.append(state_BTD)
        return states


def mtp_tensors(
    mtp: Mtp, main: DeepseekV3ForCausalLM, state: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """The modules' tensors as the layers after the last, experts still fused as in memory.

    `state` replaces the modules' own state dict (a gathered one, when parameters are sharded). The
    shared embedding and head are written again in each: the engines' loaders expect them.
    """
    own = mtp.state_dict() if state is None else state
    tensors: dict[str, Tensor] = {}
    for place, layer in enumerate(mtp.layers):
        head = _head(layer)
        tensors |= {head + _outward(name): t for name, t in _below(own, f"layers.{place}.")}
        tensors[head + "embed_tokens.weight"] = main.model.embed_tokens.weight.detach()
        tensors[head + "shared_head.head.weight"] = main.lm_head.weight.detach()
    return tensors


def load_mtp(mtp: Mtp, tensors: Mapping[str, Tensor]) -> None:
    """Fill the modules from checkpoint tensors (experts unfused, as they lie on disk)."""
    shared = {"embed_tokens.weight", "shared_head.head.weight"}
    for layer in mtp.layers:
        state = dict(
            _fused(dict(_below(tensors, _head(layer))), layer.block.mlp.experts.num_experts)
        )
        layer.load_state_dict({_inward(k): v for k, v in state.items() if k not in shared})


def _head(layer: nn.Module) -> str:
    return f"model.layers.{layer.index}."


def _below(tensors: Mapping[str, Tensor], head: str) -> Iterator[tuple[str, Tensor]]:
    yield from ((n.removeprefix(head), t) for n, t in tensors.items() if n.startswith(head))


def _outward(name: str) -> str:
    return name.removeprefix("block.") if not name.startswith("norm.") else f"shared_head.{name}"


def _inward(name: str) -> str:
    if name.startswith("shared_head.norm."):
        return name.removeprefix("shared_head.")
    outside = name.startswith(("enorm.", "hnorm.", "eh_proj."))
    return name if outside else f"block.{name}"


def _fused(tensors: Mapping[str, Tensor], experts: int) -> Iterator[tuple[str, Tensor]]:
    yield from ((name, tensor) for name, tensor in tensors.items() if ".experts." not in name)
    at = "mlp.experts.{}.{}_proj.weight"
    sides = [[tensors[at.format(e, s)] for e in range(experts)] for s in ("gate", "up", "down")]
    gate, up, down = (torch.stack(side) for side in sides)
    yield "mlp.experts.gate_up_proj", torch.cat([gate, up], dim=1)
    yield "mlp.experts.down_proj", down
