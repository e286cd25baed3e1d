"""A random DeepSeek-V3 in very small, with every mechanism the real one has, for tests.

MLA with both compressions, a dense first layer, a sigmoid router limited to groups, a shared
expert, YaRN, and one MTP layer stored as layer N. The weights are large and random, so that any
difference between two engines shows; it has learnt nothing and its text is noise.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM, PreTrainedTokenizerFast
from transformers.core_model_loading import revert_weight_conversion

from grpo.sampler.seeds import request_seed
from grpo.types import Completion, Request

SPECIALS = ("<|pad|>", "<|end|>", "<think>", "</think>", "<answer>", "</answer>")
PAD, END = 0, 1
LAYERS = 3
YARN = {
    "rope_type": "yarn",
    "rope_theta": 10000.0,
    "factor": 4.0,
    "original_max_position_embeddings": 128,
    "mscale": 1.0,
    "mscale_all_dim": 1.0,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
}


def tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE without merges: 6 special tokens, then the 256 bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {text: i for i, text in enumerate((*SPECIALS, *alphabet))}
    bpe = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens(list(SPECIALS))
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, pad_token=SPECIALS[PAD], eos_token=SPECIALS[END]
    )


def config(**changes: Any) -> DeepseekV3Config:
    """The architecture; `changes` overwrite single keys, e.g. rope_parameters."""
    return DeepseekV3Config(
        **{
            "vocab_size": 262,
            "hidden_size": 64,
            "intermediate_size": 96,
            "moe_intermediate_size": 64,
            "num_hidden_layers": LAYERS,
            "first_k_dense_replace": 1,
            "n_routed_experts": 8,
            "n_shared_experts": 1,
            "num_experts_per_tok": 2,
            "n_group": 4,
            "topk_group": 2,
            "routed_scaling_factor": 2.5,
            "topk_method": "noaux_tc",
            "scoring_func": "sigmoid",
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "q_lora_rank": 32,
            "kv_lora_rank": 32,
            "qk_nope_head_dim": 24,
            "qk_rope_head_dim": 8,
            "v_head_dim": 16,
            "max_position_embeddings": 512,
            "rope_parameters": dict(YARN),
            "num_nextn_predict_layers": 1,
            "pad_token_id": PAD,
            "eos_token_id": END,
            "bos_token_id": None,
            "dtype": "float32",
            **changes,
        }
    )


def model(seed: int = 0, **changes: Any) -> DeepseekV3ForCausalLM:
    """The trainer's side: float32, eager experts, weights large enough to make logits matter."""
    policy = DeepseekV3ForCausalLM._from_config(
        config(**changes), experts_implementation="eager", dtype=torch.float32
    )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in policy.state_dict().items():
            weight.copy_(_random(name, weight, generator))
    return policy.eval()


def _random(name: str, weight: Tensor, generator: torch.Generator) -> Tensor:
    noise = torch.randn(weight.shape, generator=generator)
    if name.endswith("norm.weight"):
        return 1 + 0.1 * noise
    if name.endswith("e_score_correction_bias"):
        return 0.1 * noise
    if weight.dim() == 1 or "embed_tokens" in name:
        return noise
    return noise * 1.5 / weight.shape[-1] ** 0.5


def checkpoint_weights(policy: DeepseekV3ForCausalLM) -> dict[str, Tensor]:
    """The policy's weights under the names checkpoint files and vLLM use."""
    return dict(revert_weight_conversion(policy, policy.state_dict()))


def draft_weights(policy: DeepseekV3ForCausalLM, seed: int = 1) -> dict[str, Tensor]:
    """A random MTP layer for `policy`, under its names as layer N; embedding and head shared."""
    donor, prefix = checkpoint_weights(model(seed)), f"model.layers.{LAYERS}."
    own = checkpoint_weights(policy)
    last = f"model.layers.{LAYERS - 1}."
    draft = {prefix + k.removeprefix(last): v for k, v in donor.items() if k.startswith(last)}
    generator = torch.Generator().manual_seed(seed)
    hidden = policy.config.hidden_size
    draft[prefix + "eh_proj.weight"] = torch.randn(hidden, 2 * hidden, generator=generator) / 8
    for norm in ("enorm", "hnorm", "shared_head.norm"):
        draft[f"{prefix}{norm}.weight"] = 1 + 0.1 * torch.randn(hidden, generator=generator)
    draft[prefix + "embed_tokens.weight"] = own["model.embed_tokens.weight"].clone()
    draft[prefix + "shared_head.head.weight"] = own["lm_head.weight"].clone()
    return draft


def save(policy: DeepseekV3ForCausalLM, folder: Path) -> Path:
    """Writes checkpoint, draft and tokenizer to `folder`, as a trainer would; returns it."""
    policy.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return add_draft(folder, draft_weights(policy))


def add_draft(folder: Path, draft: dict[str, Tensor]) -> Path:
    """Writes the MTP layer's tensors into the checkpoint; returns the folder."""
    file = folder / "model.safetensors"
    weights = {**load_file(file), **draft}
    save_file({k: v.contiguous() for k, v in weights.items()}, file, metadata={"format": "pt"})
    return folder


def edit_config(folder: Path, **changes: Any) -> None:
    """Overwrites keys of `folder`/config.json; a value of None takes the key out."""
    file = folder / "config.json"
    values = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({k: v for k, v in values.items() if v is not None}))


def requests(count: int, seed: int = 0, low: int = 5, high: int = 40) -> list[Request]:
    """Random prompts of `low` to `high` - 1 tokens, each request with a seed of its own."""
    generator = torch.Generator().manual_seed(seed)

    def prompt() -> tuple[int, ...]:
        length = int(torch.randint(low, high, (1,), generator=generator))
        first = len(SPECIALS)
        return tuple(torch.randint(first, 262, (length,), generator=generator).tolist())

    return [Request(prompt(), request_seed(seed, 0, str(i), 0)) for i in range(count)]


@torch.no_grad()
def log_probabilities(
    policy: DeepseekV3ForCausalLM, request: Request, completion: Completion, temperature: float
) -> Tensor:
    """[T, V] log-probabilities of the trainer's side at each token of the completion."""
    ids = torch.tensor([request.prompt_ids + completion.token_ids])
    logits = policy(ids).logits[0, len(request.prompt_ids) - 1 : -1].float()
    return (logits / temperature).log_softmax(-1)


def score(
    policy: DeepseekV3ForCausalLM,
    asked: Sequence[Request],
    completions: Sequence[Completion],
    temperature: float = 1.0,
) -> list[list[float]]:
    """The trainer's log-probability of each token: what the parity gate compares with."""
    scored = []
    for request, completion in zip(asked, completions, strict=True):
        logp = log_probabilities(policy, request, completion, temperature)
        chosen = torch.tensor(completion.token_ids)[:, None]
        scored.append(logp.gather(1, chosen)[:, 0].tolist())
    return scored


def surprise(
    policy: DeepseekV3ForCausalLM,
    asked: Sequence[Request],
    completions: Sequence[Completion],
    temperature: float = 1.0,
) -> tuple[float, float]:
    """Mean of -log p(token) - entropy(p) over all tokens, and its standard error.

    The mean is 0 for draws from p itself, whatever p is; log-probabilities alone cannot tell
    whether the tokens beside them were drawn with them.
    """
    excess = []
    for request, completion in zip(asked, completions, strict=True):
        logp = log_probabilities(policy, request, completion, temperature)
        entropy = -(logp.exp() * logp).sum(-1)
        chosen = torch.tensor(completion.token_ids)[:, None]
        excess.append(-logp.gather(1, chosen)[:, 0] - entropy)
    all_tokens = torch.cat(excess)
    return all_tokens.mean().item(), all_tokens.std().item() / len(all_tokens) ** 0.5
