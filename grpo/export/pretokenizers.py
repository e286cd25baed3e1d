"""How text is cut before byte pairs merge: GGUF names the way, tokenizer.json describes it.

Only ways whose tokens were compared with llama.cpp's on many texts are in the table. Unicode
normalisation is passed over, as llama.cpp has none: text typed in composed letters is not touched.
"""

import json
from collections.abc import Mapping
from typing import Any

_LETTERS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

_BYTES: dict[str, Any] = {"type": "ByteLevel", "add_prefix_space": False}
_GPT2 = {**_BYTES, "use_regex": True}
_DIGITS = {"type": "Digits", "individual_digits": True}


def _split(digits: str) -> dict[str, Any]:
    pattern = {"Regex": f"{_LETTERS}|{digits}|{_REST}"}
    return {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}


def _in_turn(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(steps)}


def _key(pre_tokenizer: Any, *, ignores_merges: bool) -> str:
    return json.dumps([pre_tokenizer, ignores_merges], sort_keys=True)


_NAMES = {
    _key(_GPT2, ignores_merges=False): "gpt-2",
    _key(_in_turn(_DIGITS, _GPT2), ignores_merges=False): "smollm",
    _key(_in_turn(_split(r"\p{N}"), {**_BYTES, "use_regex": False}), ignores_merges=False): "qwen2",
    _key(
        _in_turn(_split(r"\p{N}{1,3}"), {**_BYTES, "use_regex": False}), ignores_merges=True
    ): "llama-bpe",
}


def pre_tokenizer_name(tokenizer: Mapping[str, Any]) -> str | None:
    """llama.cpp's name for the way that a tokenizer.json describes; None where it has none here."""
    described = _without_offsets(tokenizer.get("pre_tokenizer"))
    ignores = bool(tokenizer["model"].get("ignore_merges"))
    return _NAMES.get(_key(described, ignores_merges=ignores))


def _without_offsets(value: Any) -> Any:
    """Without `trim_offsets`, which moves positions in the text and no token."""
    if isinstance(value, list):
        return [_without_offsets(item) for item in value]
    if isinstance(value, dict):
        return {k: _without_offsets(v) for k, v in value.items() if k != "trim_offsets"}
    return value
