"""A byte-level BPE tokenizer in GGUF's words: tokens with their types, merges, special ids.

Unigram, WordPiece and BPE with byte fallback are refused; llama.cpp has other code for them, and
a tokenizer that is nearly right makes a model that is quietly worse.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase as Tokenizer

from grpo.errors import UserError
from grpo.export.pretokenizers import pre_tokenizer_name

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
"""GGUF's token types: user-defined ones are cut out of any text and shown, control ones hidden."""


@dataclass(frozen=True)
class Vocabulary:
    """All that a GGUF file says of a tokenizer.

    `tokens` and `types` have one entry an embedding row.

    >>> Vocabulary("smollm", ("<|end|>", "a", ...), (3, 1, ...), ("h e", ...), eos=0, bos=None,
    ...            pad=0, unk=None, adds_bos=False, adds_eos=False)
    """

    pre: str
    tokens: tuple[str, ...]
    types: tuple[int, ...]
    merges: tuple[str, ...]
    eos: int
    bos: int | None
    pad: int | None
    unk: int | None
    adds_bos: bool
    adds_eos: bool

    def add_to(self, writer: Any) -> None:
        """Give `writer` (gguf.GGUFWriter) the tokenizer."""
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(self.tokens)
        writer.add_token_types(self.types)
        writer.add_token_merges(self.merges)
        writer.add_eos_token_id(self.eos)
        # Left out, llama.cpp would take token 11, whatever that is, for both.
        writer.add_bos_token_id(self.eos if self.bos is None else self.bos)
        if self.pad is not None:
            writer.add_pad_token_id(self.pad)
        if self.unk is not None:
            writer.add_unk_token_id(self.unk)
        writer.add_add_bos_token(self.adds_bos)
        writer.add_add_eos_token(self.adds_eos)


def vocabulary(tokenizer: Tokenizer, rows: int) -> Vocabulary:
    """The vocabulary of a model with `rows` embeddings; those no token has are marked unused.

    Raises UserError for a tokenizer that llama.cpp would not repeat token for token.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    described = json.loads(backend.to_str()) if backend else {"model": {}}
    if odd := next(_oddities(tokenizer, described, rows), None):
        raise UserError(f"the tokenizer {odd}, so llama.cpp would not cut text as it does")
    names = {number: token for token, number in tokenizer.get_vocab().items()}
    adds_bos, adds_eos = added_ends(tokenizer)
    return Vocabulary(
        pre=str(pre_tokenizer_name(described)),
        tokens=tuple(names.get(row, f"[PAD{row}]") for row in range(rows)),
        types=tuple(_type(tokenizer, row, names) for row in range(rows)),
        merges=tuple(" ".join(pair) for pair in described["model"]["merges"]),
        eos=_eos(tokenizer),
        bos=tokenizer.bos_token_id,
        pad=tokenizer.pad_token_id,
        unk=tokenizer.unk_token_id,
        adds_bos=adds_bos,
        adds_eos=adds_eos,
    )


def _oddities(tokenizer: Tokenizer, described: Mapping[str, Any], rows: int) -> Iterator[str]:
    model = described["model"]
    affixes = (model.get("continuing_subword_prefix"), model.get("end_of_word_suffix"))
    decoder = (described.get("decoder") or {}).get("type")
    if model.get("type") != "BPE" or decoder != "ByteLevel" or model["byte_fallback"]:
        kind = model.get("type", type(tokenizer).__name__)
        yield f"is no byte-level BPE ({kind}, decoded by {decoder or 'nothing'})"
        return
    if any(affixes) or model["dropout"]:
        yield "has affixes or a dropout"
    if (described.get("normalizer") or {"type": "NFC"})["type"] != "NFC":
        yield f"changes the text first (normalizer {described['normalizer']['type']})"
    if pre_tokenizer_name(described) is None:
        yield f"cuts words in a way not known here ({json.dumps(described['pre_tokenizer'])})"
    for token in tokenizer.added_tokens_decoder.values():
        if token.lstrip or token.rstrip or token.single_word:
            yield f"takes the blanks beside {token.content!r} along, or wants it to stand alone"
    if len(tokenizer) > rows:
        yield f"has {len(tokenizer):,} tokens for {rows:,} embeddings"


def _eos(tokenizer: Tokenizer) -> int:
    if tokenizer.eos_token_id is None:
        raise UserError("the tokenizer names no end-of-text token: set eos_token in its config")
    return int(tokenizer.eos_token_id)


def _type(tokenizer: Tokenizer, row: int, names: Mapping[int, str]) -> int:
    if row not in names:
        return UNUSED
    added = tokenizer.added_tokens_decoder.get(row)
    if added is None:
        return NORMAL
    return CONTROL if added.special else USER_DEFINED


def added_ends(tokenizer: Tokenizer) -> tuple[bool, bool]:
    """Whether the tokenizer puts its begin and end token around a text. Raises UserError for more.

    Asked by doing it: there are several places where a tokenizer may say so.
    """
    bare, whole = (
        tokenizer("a", add_special_tokens=special)["input_ids"] for special in (False, True)
    )
    for begin in ([], [tokenizer.bos_token_id]):
        for end in ([], [tokenizer.eos_token_id]):
            if whole == [*begin, *bare, *end]:
                return bool(begin), bool(end)
    raise UserError(
        f"the tokenizer makes {whole} of a text that is {bare}: more than a begin and an end token"
    )
