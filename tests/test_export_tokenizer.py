"""Tokenizers in GGUF: llama.cpp cuts any text as transformers does, or the export refuses."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import small_students
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, trainers
from tokenizers import pre_tokenizers as pre
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from grpo.errors import UserError
from grpo.export import export_checkpoint
from grpo.export.vocabulary import CONTROL, NORMAL, UNUSED, USER_DEFINED, added_ends, vocabulary
from grpo.learning.corpus import document_texts
from grpo_data.world.corpus import documents

LETTERS = "abc XYZ  \n\t\r0123.,!?'\"-_é你好🌙½Ⅳ²<>|\u00a0\u3000àà\u200b\u0301"
WORDS = (
    *("'ll", "don't", "IT'S", "<think>", "</answer>", "<|end|>", "\r\n\r\n", "   ", "\n \n"),
    *("answer", "苹果", "the apples", "12345", "x=1.5e-3;", "👩‍🚀", "naïve"),
)

WORD = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT2 = pre.ByteLevel(add_prefix_space=False)
BYTES = pre.ByteLevel(add_prefix_space=False, use_regex=False)


def split(pattern: str) -> Any:
    return pre.Sequence([pre.Split(Regex(f"{WORD}|{pattern}|{REST}"), "isolated"), BYTES])


WAYS = {
    "gpt-2": (GPT2, False),
    "smollm": (pre.Sequence([pre.Digits(individual_digits=True), GPT2]), False),
    "qwen2": (split(r"\p{N}"), False),
    "llama-bpe": (split(r"\p{N}{1,3}"), True),
}


def trained(cut: Any, *, ignores_merges: bool = False, size: int = 480) -> Tokenizer:
    """A byte-level BPE that cuts words as `cut` does, with an end, a begin and two visible tags."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignores_merges))
    tokenizer.pre_tokenizer = cut
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<|pad|>", "<|end|>", "<|begin|>"],
        initial_alphabet=pre.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(document_texts(documents(0, 300, 0.1)), trainer)
    tokenizer.add_tokens([AddedToken(tag, normalized=False) for tag in ("<think>", "</answer>")])
    return tokenizer


def wrapped(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|pad|>", bos_token="<|begin|>"
    )


def texts(count: int) -> list[str]:
    """Random mixtures of letters, words, blanks, signs and tags."""
    draw = random.Random(0)
    return ["".join(draw.choices((*LETTERS, *WORDS), k=40)) for _ in range(count)]


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("begins", [False, True])
def test_llama_cpp_cuts_every_text_alike(tmp_path: Path, name: str, begins: bool) -> None:
    pytest.importorskip("gguf", reason="the gguf package is absent")
    pytest.importorskip("xllamacpp", reason="the xllamacpp package is absent")
    from llama_server import LlamaCpp

    cut, ignores_merges = WAYS[name]
    tokenizer = trained(cut, ignores_merges=ignores_merges)
    if begins:
        tokenizer.post_processor = TemplateProcessing(
            single="<|begin|> $A", special_tokens=[("<|begin|>", 2)]
        )
    small_students.save_student(tmp_path / "m", wrapped(tokenizer))
    read = AutoTokenizer.from_pretrained(tmp_path / "m")
    assert vocabulary(read, small_students.ROWS).pre == name
    loaded = LlamaCpp(export_checkpoint(str(tmp_path / "m"), "gguf", out=tmp_path / "m.gguf"))
    for text in texts(150):
        expected = read(text)["input_ids"]
        assert expected[:1] == [2] or not begins
        assert loaded.tokens(text) == expected, text


def test_every_row_has_a_token_of_its_type() -> None:
    found = vocabulary(small_students.tokenizer(), 503)
    assert len(found.tokens) == len(found.types) == len(set(found.tokens)) == 503
    told = {
        "<|pad|>": CONTROL, "<|end|>": CONTROL, "<|user|>": CONTROL, "a": NORMAL,
        "<think>": USER_DEFINED, "</answer>": USER_DEFINED, "[PAD500]": UNUSED, "[PAD502]": UNUSED,
    }  # fmt: skip
    assert {token: found.types[found.tokens.index(token)] for token in told} == told
    # 500 tokens: five special ones, four tags, 256 bytes, and a merge for each of the rest.
    assert len(found.merges) == 500 - 5 - 4 - 256
    assert all(merge.count(" ") == 1 for merge in found.merges)
    assert (found.eos, found.pad, found.bos) == (1, 0, None)


@pytest.mark.parametrize(
    ("form", "ends"),
    [
        ("$A", (False, False)),
        ("<|begin|> $A", (True, False)),
        ("$A <|end|>", (False, True)),
        ("<|begin|> $A <|end|>", (True, True)),
    ],
)
def test_begin_and_end_tokens_are_found_by_asking(form: str, ends: tuple[bool, bool]) -> None:
    tokenizer = trained(GPT2)
    tokenizer.post_processor = TemplateProcessing(
        single=form, special_tokens=[("<|begin|>", 2), ("<|end|>", 1)]
    )
    assert added_ends(wrapped(tokenizer)) == ends


def unknown_cut(tokenizer: Tokenizer) -> None:
    tokenizer.pre_tokenizer = pre.Sequence([pre.Whitespace(), BYTES])


def prefix_space(tokenizer: Tokenizer) -> None:
    tokenizer.pre_tokenizer = pre.ByteLevel(add_prefix_space=True)


def lowercase(tokenizer: Tokenizer) -> None:
    tokenizer.normalizer = normalizers.Lowercase()


def greedy_blanks(tokenizer: Tokenizer) -> None:
    tokenizer.add_tokens([AddedToken("<mask>", lstrip=True)])


def twice_begun(tokenizer: Tokenizer) -> None:
    tokenizer.post_processor = TemplateProcessing(
        single="<|begin|> <|begin|> $A", special_tokens=[("<|begin|>", 2)]
    )


def other_decoder(tokenizer: Tokenizer) -> None:
    tokenizer.decoder = decoders.WordPiece()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (unknown_cut, "cuts words in a way not known here"),
        (prefix_space, "cuts words in a way not known here"),
        (lowercase, r"changes the text first \(normalizer Lowercase\)"),
        (greedy_blanks, "takes the blanks beside '<mask>' along"),
        (twice_begun, "more than a begin and an end token"),
        (other_decoder, r"is no byte-level BPE \(BPE, decoded by WordPiece\)"),
    ],
)
def test_what_llama_cpp_would_cut_otherwise_is_refused(
    change: Callable[[Tokenizer], None], said: str
) -> None:
    tokenizer = trained(GPT2)
    change(tokenizer)
    with pytest.raises(UserError, match=said):
        vocabulary(wrapped(tokenizer), small_students.ROWS)


def test_other_models_of_text_are_refused() -> None:
    unigram = Tokenizer(models.Unigram([("a", -1.0), ("<|end|>", -2.0)], unk_id=None))
    with pytest.raises(UserError, match=r"is no byte-level BPE \(Unigram, decoded by nothing\)"):
        vocabulary(PreTrainedTokenizerFast(tokenizer_object=unigram, eos_token="<|end|>"), 2)


def test_a_merge_order_that_goes_by_another_name_is_refused() -> None:
    # llama.cpp ignores merges under the name llama-bpe, and under no other.
    for cut, ignores in ((split(r"\p{N}{1,3}"), False), (GPT2, True)):
        with pytest.raises(UserError, match="cuts words in a way not known here"):
            vocabulary(wrapped(trained(cut, ignores_merges=ignores)), small_students.ROWS)


def test_more_tokens_than_embeddings_and_no_end_are_refused() -> None:
    with pytest.raises(UserError, match="has 500 tokens for 499 embeddings"):
        vocabulary(small_students.tokenizer(), 499)
    endless = PreTrainedTokenizerFast(tokenizer_object=trained(GPT2))
    with pytest.raises(UserError, match="names no end-of-text token"):
        vocabulary(endless, small_students.ROWS)
