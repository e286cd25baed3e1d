"""What a token costs in the cache: latent attention against full heads, measured and published.

Measured are the tensors that transformers and vLLM really hold for the shipped base, and beside
them what the same weights would hold with full heads. Published is arithmetic on two configs
(published.json): DeepSeek-V2 against DeepSeek 67B, whose ratio DeepSeek-V2 gives as 93.3% less.

    python benchmarks/base/cache.py                   # fills docs/base.md
    python benchmarks/base/cache.py --into ""         # prints
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
import typer
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

sys.path.insert(0, str(Path(__file__).parents[1]))

from scaling_tables import placed, table_lines

from grpo.model.latent import absorbed_attention, latents
from grpo.model.load import base_folder, load_model
from grpo.recipe.sections import Model, SamplerConfig
from grpo.threads import use_threads

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "base.md"
TOKENS = 64
HALF = 16
"""Bits of a number that is not quantised."""


class Held(NamedTuple):
    """What one token leaves in a cache.

    >>> Held("transformers, latent", layers=4, numbers=224, bits=32)
    """

    label: str
    layers: int
    numbers: float
    bits: int

    @property
    def bytes(self) -> float:
        """Bytes of a token in all layers."""
        return self.numbers * self.bits / 8


def main(
    model: Annotated[
        str, typer.Option(help="A DeepSeek-V3: a folder or shipped name.")
    ] = "tiny-base",
    engine: Annotated[bool, typer.Option(help="Look into vLLM's cache as well.")] = True,
    into: Annotated[str, typer.Option(help="The document; empty: print.")] = str(DOCUMENT),
) -> None:
    """Measure, reckon, fill the table's place."""
    use_threads(1)
    folder = base_folder(Model(path=model))
    policy = load_model(Model(path=model), folder)
    ids = torch.randint(6, policy.config.vocab_size, (1, TOKENS), generator=_noise())
    full, held = expanded(policy, ids), [latent(policy, ids)]
    if engine:
        held.append(engines(folder))
    table = "\n".join(lines(folder.name, full, held, absorbed_gap(policy, ids)))
    if not into:
        print(table)
        return
    document = Path(into)
    document.write_text(placed(document.read_text(), "cache", table))


def _noise() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@torch.no_grad()
def latent(policy: PreTrainedModel, ids: Tensor) -> Held:
    """What transformers' own cache holds after a forward."""
    cache = policy(ids, use_cache=True).past_key_values
    return _counted("transformers, latents", cache)


@torch.no_grad()
def expanded(policy: PreTrainedModel, ids: Tensor) -> Held:
    """What the same forward would leave in that cache with full heads: the keys and values that
    attention multiplies with, H heads of them."""
    cache = DynamicCache()
    for layer in policy.model.layers:
        attention = layer.self_attn
        attention.expand_kv = _kept(attention.expand_kv, cache, attention.layer_idx)
    policy(ids, use_cache=False)
    for layer in policy.model.layers:
        del layer.self_attn.expand_kv
    return _counted("transformers, full heads", cache)


def _kept(expand: Any, cache: DynamicCache, number: int) -> Any:
    def expand_and_keep(*args: Any) -> tuple[Tensor, Tensor]:
        keys, values = expand(*args)
        cache.update(keys, values, number)
        return keys, values

    return expand_and_keep


def _counted(label: str, cache: DynamicCache) -> Held:
    held = [tensor for layer in cache.layers for tensor in (layer.keys, layer.values)]
    tokens = cache.get_seq_length()
    bits = 8 * held[0].element_size()
    return Held(label, len(cache.layers), sum(t.numel() for t in held) / tokens, bits)


def engines(folder: Path) -> Held:
    """What vLLM's cache holds for a token: all of its memory by all the tokens that fit."""
    from grpo.sampler.vllm_adapter import Engine

    config = SamplerConfig(max_model_len=TOKENS, max_num_seqs=4, kv_cache_gib=0.0625)
    engine = Engine(folder, config, "float32")
    try:
        layers, numbers, bits = engine.llm.collective_rpc(_inside)[0]
        form = "latents" if engine.llm.llm_engine.vllm_config.model_config.use_mla else "full heads"
    finally:
        engine.close()
    where = "a CPU" if engine.cpu else "a GPU"
    return Held(f"vLLM on {where}, {form}", layers, numbers, bits)


def _inside(worker: Any) -> tuple[int, float, int]:
    caches, config = worker.model_runner.kv_caches, worker.cache_config
    tokens = config.num_gpu_blocks * config.block_size
    numbers = sum(cache.numel() for cache in caches) / tokens
    return len(caches), numbers, 8 * caches[0].element_size()


@torch.no_grad()
def absorbed_gap(policy: PreTrainedModel, ids: Tensor) -> float:
    """The largest difference between the two forms, in any layer, of outputs as large as 1."""
    gaps = []
    for layer in policy.model.layers:
        hidden = torch.randn(*ids.shape, policy.config.hidden_size, generator=_noise())
        rotary = policy.model.rotary_emb(hidden, torch.arange(ids.shape[1])[None])
        mask = torch.full((1, 1, *ids.shape[1:] * 2), -torch.inf).triu(1)
        whole = layer.self_attn(hidden, rotary, mask)[0]
        held = latents(layer.self_attn, hidden, rotary)
        gap = (absorbed_attention(layer.self_attn, hidden, rotary, held) - whole).abs().max()
        gaps.append(float(gap / whole.abs().max()))
    return max(gaps)


def published() -> tuple[Held, list[Held]]:
    """DeepSeek 67B, and DeepSeek-V2 in the ways its cache may be held."""
    known = json.loads((HERE / "published.json").read_text())
    old, new, deployed = known["deepseek-67b"], known["deepseek-v2"], known["deployed_bits"]["bits"]
    head = old["hidden_size"] // old["num_attention_heads"]
    per_layer = 2 * old["num_key_value_heads"] * head
    before = Held(
        f"{old['label']}, {old['num_key_value_heads']} shared heads",
        old["num_hidden_layers"],
        old["num_hidden_layers"] * per_layer,
        HALF,
    )
    layers, label = new["num_hidden_layers"], new["label"]
    latent_numbers = layers * (new["kv_lora_rank"] + new["qk_rope_head_dim"])
    key = new["qk_nope_head_dim"] + new["qk_rope_head_dim"]
    full = layers * new["num_attention_heads"] * (key + new["v_head_dim"])
    return before, [
        Held(f"{label}, if it had full heads", layers, full, HALF),
        Held(f"{label}, latents", layers, latent_numbers, HALF),
        Held(f"{label}, latents as deployed", layers, latent_numbers, deployed),
    ]


def lines(model: str, full: Held, held: Sequence[Held], gap: float) -> Iterator[str]:
    """The section in Markdown."""
    before, after = published()
    yield f"Measured, {model}, {TOKENS} tokens:\n"
    yield from _table(full, held)
    yield "\nPublished:\n"
    yield from _table(before, after)
    yield (
        f"\nAbsorbed against expanded, in float32: {gap:.1e} of the largest output at most, in any "
        "layer."
    )


def _table(against: Held, held: Sequence[Held]) -> Iterator[str]:
    heads = ("cache", "layers", "numbers a token", "bits a number", "bytes a token", "less")
    rows = [
        (
            one.label,
            f"{one.layers}",
            f"{one.numbers:,.0f}",
            f"{one.bits}",
            f"{one.bytes:,.0f}",
            "" if one is against else _less(one.bytes / against.bytes),
        )
        for one in (against, *held)
    ]
    yield from table_lines(heads, rows)


def _less(share: float) -> str:
    return f"{100 * (1 - share):.1f}%" if share <= 1 else f"{share:.1f} times as much"


if __name__ == "__main__":
    typer.run(main)
