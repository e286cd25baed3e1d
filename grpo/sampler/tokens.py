"""Where a completion ends and how it reads: the rules both engines keep.

An end is a token that ends a turn, never "what is not padding": in some tokenizers (SmolLM2's)
the pad token is the end token.
"""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from grpo.errors import UserError
from grpo.recipe.sections import Sampling
from grpo.types import Request


def end_tokens(tokenizer: Any, generation_eos: int | Sequence[int] | None) -> frozenset[int]:
    """The tokenizer's end token together with those of the model's generation config."""
    listed = [generation_eos] if isinstance(generation_eos, int) else list(generation_eos or ())
    return frozenset(t for t in (tokenizer.eos_token_id, *listed) if t is not None)


def checkpoint_eos(folder: Path) -> int | list[int] | None:
    """`eos_token_id` of generation_config.json, or of config.json where that file is missing."""
    for name in ("generation_config.json", "config.json"):
        file = folder / name
        if file.is_file():
            eos: int | list[int] | None = json.loads(file.read_text()).get("eos_token_id")
            return eos
    return None


def texts(tokenizer: Any, completions: Sequence[Sequence[int]], ends: Collection[int]) -> list[str]:
    """Each completion's text: special tokens kept (<think> is one), end and pad tokens left out."""
    if not completions:
        return []
    hidden = {*ends, tokenizer.pad_token_id}
    visible = [[t for t in ids if t not in hidden] for ids in completions]
    decoded: list[str] = tokenizer.batch_decode(
        visible, skip_special_tokens=False, clean_up_tokenization_spaces=False
    )
    return decoded


def room(request: Request, sampling: Sampling, max_model_len: int) -> int:
    """Tokens this completion may have: `max_tokens`, or what the prompt leaves of the context."""
    if not request.prompt_ids:
        raise ValueError("a request has an empty prompt: it needs at least one token")
    left = max_model_len - len(request.prompt_ids)
    if left < 1:
        raise UserError(
            f"a prompt of {len(request.prompt_ids)} tokens leaves no room for a completion in "
            f"sampler.max_model_len={max_model_len}: raise it, or drop longer prompts"
        )
    return min(sampling.max_tokens, left)
