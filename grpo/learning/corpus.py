"""The tiny world's documents as token ids, cut into batches: a pure function of the recipe."""

import random
from collections.abc import Iterable, Sequence

from transformers import PreTrainedTokenizerBase

from grpo.errors import UserError
from grpo.train.batches import by_token_budget
from grpo_data.world.corpus import Document

TOKENIZER_DOCUMENTS = 20_000
WINDOW_STEPS = 16


def document_texts(documents: Iterable[Document]) -> Iterable[str]:
    """Prompts and responses one by one, for training the tokenizer."""
    return (text for d in documents for text in (d.prompt, d.response) if text)


def encode(tokenizer: PreTrainedTokenizerBase, documents: Iterable[Document]) -> list[list[int]]:
    """Each document as ids, in chat form where it is an exchange, ended by the end token."""
    return tokenizer([_written(tokenizer, document) for document in documents])["input_ids"]


def _written(tokenizer: PreTrainedTokenizerBase, document: Document) -> str:
    if not document.prompt:
        return document.response + str(tokenizer.eos_token)
    turns = [("user", document.prompt), ("assistant", document.response)]
    messages = [{"role": role, "content": content} for role, content in turns]
    return str(tokenizer.apply_chat_template(messages, tokenize=False))


def batches(lengths: Sequence[int], *, steps: int, budget: int, seed: int) -> list[list[int]]:
    """`steps` batches of document indices, each of at most `budget` tokens with its padding.

    Documents are shuffled, then sorted by length inside windows of a few batches, so that rows
    are alike and neighbouring steps are not. Raises UserError when the documents run out.
    """
    rng = random.Random(f"batches:{seed}")
    order = list(range(len(lengths)))
    rng.shuffle(order)
    window = max(1, round(WINDOW_STEPS * budget * len(lengths) / sum(lengths)))
    cut: list[list[int]] = []
    for start in range(0, len(order), window):
        inside = order[start : start + window]
        groups = by_token_budget([lengths[i] for i in inside], budget)
        groups = [[inside[i] for i in group] for group in groups]
        rng.shuffle(groups)
        cut.extend(groups)
    if len(cut) < steps:
        needed = round(len(lengths) * steps / len(cut) * 1.02)
        raise UserError(
            f"{len(lengths)} documents make {len(cut)} steps, the recipe asks for {steps}: "
            f"raise `documents` to about {needed} or lower `steps`"
        )
    return cut[:steps]
