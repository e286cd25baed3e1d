"""Dense models of growing width, fresh, with another model's tokenizer."""

from pathlib import Path

WIDTHS = (128, 256, 512, 768)
HEAD = 64


def write_llama(width: int, tokenizer_of: Path, folder: Path) -> int:
    """Put a Llama of four layers into `folder`; its parameters."""
    import torch
    from transformers import AutoTokenizer

    from grpo.checkpoint.weights import save_weights
    from grpo.model.llama import build_llama
    from grpo.recipe.sections import Llama

    torch.manual_seed(width)
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_of)
    shape = Llama(
        hidden_size=width,
        heads=width // HEAD,
        kv_heads=width // HEAD,
        intermediate_size=3 * width,
    )
    ends = {"end": tokenizer.eos_token_id, "pad": tokenizer.pad_token_id}
    model = build_llama(shape, vocab_size=len(tokenizer), **ends)
    save_weights(folder, model.state_dict(), model.config, tokenizer, model.generation_config)
    return sum(weight.numel() for weight in model.parameters())
