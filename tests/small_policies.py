"""Small models and random sequences for the trainer's tests: one dense, one mixture of experts."""

from collections.abc import Callable

import tiny_moe
import torch
from accelerate import Accelerator
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from grpo.recipe.sections import Optimizer
from grpo.train.policy import Policy
from grpo.train.sequences import Sequences
from grpo.train.side import NONE, SideLosses

CPU = torch.device("cpu")


def llama(seed: int = 0) -> PreTrainedModel:
    """A Llama with weights large enough for logits to matter."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=262,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.3,
        tie_word_embeddings=False,
    )
    return LlamaForCausalLM(config).eval()


MODELS: dict[str, Callable[..., PreTrainedModel]] = {"llama": llama, "mixture": tiny_moe.model}


def policy(model: PreTrainedModel, lr: float = 1e-3, side: SideLosses = NONE) -> Policy:
    """The model with its optimizer, on the CPU."""
    return Policy(model, Accelerator(cpu=True), Optimizer(lr=lr), side=side)


def sequences(count: int = 7, seed: int = 0) -> Sequences:
    """`count` prompts of 1 to 9 tokens with completions of 1 to 12."""
    generator = torch.Generator().manual_seed(seed)

    def ids(longest: int) -> tuple[int, ...]:
        length = int(torch.randint(1, longest + 1, (1,), generator=generator))
        return tuple(torch.randint(6, 262, (length,), generator=generator).tolist())

    return Sequences([ids(9) for _ in range(count)], [ids(12) for _ in range(count)])


def plain_logprobs(
    model: PreTrainedModel, rows: Sequences, temperature: float = 1.0
) -> tuple[list[Tensor], list[Tensor]]:
    """Each completion's log-probabilities and entropies, from a forward of its own, unpadded."""
    logprobs, entropies = [], []
    for prompt, completion in zip(rows.prompts, rows.completions, strict=True):
        logits = model(torch.tensor([[*prompt, *completion]])).logits[0, len(prompt) - 1 : -1]
        logp_TV = (logits / temperature).log_softmax(-1)
        logprobs.append(logp_TV.gather(1, torch.tensor(completion)[:, None])[:, 0])
        entropies.append(-(logp_TV.exp() * logp_TV).sum(-1))
    return logprobs, entropies
