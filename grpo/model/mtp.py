"""Multi-token prediction: DeepSeek-V3's extra module that predicts the token after the next.

Depth one. Embedding and head are the main model's; what is its own lies in the checkpoint as
layer N, which transformers leaves aside and vLLM reads as its draft.
"""

# B = sequences, T = tokens, D = model dimension

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from transformers import DeepseekV3ForCausalLM
from transformers.masking_utils import create_causal_mask
from transformers.models.deepseek_v3.modeling_deepseek_v3 import (
    DeepseekV3DecoderLayer,
    DeepseekV3RMSNorm,
)


class MtpLayer(nn.Module):
    """h'_i = Block(W [norm(embed(t_{i+1})) ; norm(h_i)]), then norm and the shared head.

    V3 eq. 21-23 with the operands in the order of the published weights. The main model's h_i is
    taken after its final norm, and the embedding at position 0 is nought: the two choices of the
    engines that use the module as a draft.
    """

    def __init__(self, main: DeepseekV3ForCausalLM) -> None:
        super().__init__()
        config = main.config
        self.index = config.num_hidden_layers
        self.enorm = DeepseekV3RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.hnorm = DeepseekV3RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.eh_proj = nn.Linear(2 * config.hidden_size, config.hidden_size, bias=False)
        self.block = DeepseekV3DecoderLayer(config, self.index)
        self.norm = DeepseekV3RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        nn.init.normal_(self.eh_proj.weight, std=config.initializer_range)
        self.block.apply(main._init_weights)

    def forward(
        self,
        main: DeepseekV3ForCausalLM,
        hidden_BTD: Tensor,
        next_ids_BT: Tensor,
        positions_BT: Tensor | None = None,
    ) -> Tensor:
        """Hidden states [B, T, D] whose head logits at i predict token i + 2.

        `positions_BT` are needed where a row holds several sequences: each begins at 0, and none
        looks into another.
        """
        if positions_BT is None:
            positions_BT = torch.arange(hidden_BTD.shape[1], device=hidden_BTD.device)[None]
        embeds = main.model.embed_tokens(next_ids_BT)
        embeds = embeds.masked_fill((positions_BT == 0)[..., None], 0.0)
        x = self.eh_proj(torch.cat([self.enorm(embeds), self.hnorm(hidden_BTD)], dim=-1))
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


def mtp_tensors(
    mtp: MtpLayer, main: DeepseekV3ForCausalLM, state: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """The module's tensors under layer N, experts still fused as transformers holds them.

    `state` replaces the module's own state dict (a gathered one, when parameters are sharded). The
    shared embedding and head are written again there: the engines' loaders expect them.
    """
    head = f"model.layers.{mtp.index}."
    own = mtp.state_dict() if state is None else state
    renamed = {_outward(name): tensor for name, tensor in own.items()}
    renamed["embed_tokens.weight"] = main.model.embed_tokens.weight.detach()
    renamed["shared_head.head.weight"] = main.lm_head.weight.detach()
    return {head + name: tensor for name, tensor in renamed.items()}


def load_mtp(mtp: MtpLayer, tensors: Mapping[str, Tensor]) -> None:
    """Fill the module from checkpoint tensors (experts unfused, as they lie on disk)."""
    head = f"model.layers.{mtp.index}."
    own = {name.removeprefix(head): t for name, t in tensors.items() if name.startswith(head)}
    state = dict(_fused(own, mtp.block.mlp.experts.num_experts))
    shared = {"embed_tokens.weight", "shared_head.head.weight"}
    mtp.load_state_dict({_inward(k): v for k, v in state.items() if k not in shared})


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
