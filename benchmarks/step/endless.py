"""A copy of a model whose completions do not end: all have the length that is asked for."""

import json
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

HAVE_ENDS = ("config.json", "generation_config.json")


def endless(model: str | Path, folder: Path) -> Path:
    """Put into `folder` the model of the folder `model`, its end token one that it never draws.

    Either side asks the folder where a completion ends, so either is told the same. The weights
    are links to the model's own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in Path(model).resolve().iterdir():
        (folder / file.name).symlink_to(file)
    tokenizer = AutoTokenizer.from_pretrained(model)
    pad = tokenizer.pad_token
    tokenizer.eos_token = _never_drawn(tokenizer)
    tokenizer.pad_token = pad
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (folder / name).unlink(missing_ok=True)
    tokenizer.save_pretrained(folder)
    for name in HAVE_ENDS:
        _set_end(folder / name, tokenizer.eos_token_id)
    return folder


def _never_drawn(tokenizer: PreTrainedTokenizerBase) -> str:
    """The last special token that is in no prompt, is no padding and ends nothing."""
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "?"}], add_generation_prompt=True, tokenize=False
    )
    used = {tokenizer.eos_token, tokenizer.pad_token}
    special = [
        token.content
        for _, token in sorted(tokenizer.added_tokens_decoder.items())
        if token.special
    ]
    return [token for token in special if token not in used and token not in prompt][-1]


def _set_end(path: Path, end: int) -> None:
    if path.is_file():
        values = json.loads(path.read_text()) | {"eos_token_id": end}
        path.unlink()
        path.write_text(json.dumps(values, indent=1))
