"""The models that become GGUF, and their numbers in llama.cpp's words.

Dense decoders of the Llama build alone. A mixture of experts, latent attention or another way to
stretch positions is refused: a guess about one would be a model that talks nonsense, not an error.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from grpo.errors import UserError


@dataclass(frozen=True)
class Family:
    """How llama.cpp holds one architecture.

    `has_pairs`: it rotates dimensions 2i and 2i+1 of a head together, where transformers rotates i
    and i + D/2. `rope` are the ways of stretching positions that can be written for it.

    >>> Family("llama", has_pairs=True, rope=("default", "linear", "llama3"))
    """

    name: str
    has_pairs: bool
    rope: tuple[str, ...] = ("default",)


FAMILIES = {
    "LlamaForCausalLM": Family("llama", has_pairs=True, rope=("default", "linear", "llama3")),
    "Qwen2ForCausalLM": Family("qwen2", has_pairs=False),
    "Qwen3ForCausalLM": Family("qwen3", has_pairs=False),
}

_EXPERTS = ("n_routed_experts", "num_local_experts", "num_experts")


def family_of(written: Mapping[str, Any]) -> Family:
    """The family that a config.json names. Raises UserError for what is not dense or not known."""
    names = written.get("architectures") or ["a model that names no architecture"]
    name = str(names[0])
    kinds = [
        "a mixture of experts" if any(written.get(key) for key in _EXPERTS) else "",
        "latent attention (MLA)" if written.get("kv_lora_rank") else "",
    ]
    if kind := " with ".join(filter(None, kinds)):
        raise UserError(f"{name} is {kind}: GGUF is written for dense models ({_known()}); {_WAY}")
    if name not in FAMILIES:
        raise UserError(f"{name} is not a model that GGUF is written for ({_known()}); {_WAY}")
    return FAMILIES[name]


_WAY = "`--to folder` takes any model"


def _known() -> str:
    return ", ".join(FAMILIES)


def refuse_oddities(config: PreTrainedConfig, family: Family) -> None:
    """Raises UserError for a knob of the model that the file could not say."""
    if odd := next(_oddities(config, family), None):
        raise UserError(f"a {family.name} model with {odd} cannot be written as GGUF; {_WAY}")


def _oddities(config: PreTrainedConfig, family: Family) -> Iterator[str]:
    rope = config.rope_parameters
    if rope["rope_type"] not in family.rope:
        yield f"rope_type {rope['rope_type']!r} (known: {', '.join(family.rope)})"
    if rope.get("partial_rotary_factor", 1.0) != 1.0:
        yield f"partial_rotary_factor {rope['partial_rotary_factor']}"
    if config.hidden_act != "silu":
        yield f"hidden_act {config.hidden_act!r} (known: silu)"
    if set(getattr(config, "layer_types", None) or ()) - {"full_attention"}:
        yield "sliding-window attention"
    if getattr(config, "quantization_config", None):
        yield "quantized weights"


def add_numbers(writer: Any, config: PreTrainedConfig) -> None:
    """Give `writer` (gguf.GGUFWriter) the sizes of the model."""
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head_size(config))
    writer.add_value_length(head_size(config))
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(head_size(config))
    writer.add_vocab_size(config.vocab_size)


def head_size(config: PreTrainedConfig) -> int:
    """D, the dimensions of one attention head."""
    given = getattr(config, "head_dim", None)
    return int(given or config.hidden_size // config.num_attention_heads)


def rope_factors(config: PreTrainedConfig) -> Tensor | None:
    """[D/2] float32: what each frequency is divided by; None where positions are not stretched."""
    rope = config.rope_parameters
    if rope["rope_type"] == "default":
        return None
    size = head_size(config)
    plain = rope["rope_theta"] ** -(torch.arange(0, size, 2, dtype=torch.float64) / size)
    stretched, _ = ROPE_INIT_FUNCTIONS[rope["rope_type"]](config, torch.device("cpu"))
    return (plain / stretched.double()).float()
