"""Conversations to learn from: a prompt and the answer that is to be given, row by row.

A source is a file, a folder, a hub name or a generator, as for problems. How a conversation becomes
token ids is `grpo_data.template`'s; whether an answer is right is nobody's business here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Any

from grpo_data import readers
from grpo_data.generators import generated, is_generated
from grpo_data.messages import (
    Messages,
    assistant_text,
    checked_messages,
    prompt_of,
    reply_text,
    words_of,
)
from grpo_data.problem import is_held_out

GENERATORS: dict[str, str] = {
    "tiny:cold_start": "grpo_data.world.cold_start:conversations",
    "tiny:general": "grpo_data.world.manners.conversations:conversations",
}
"""Sources that are computed: the function named here is called as `conversations(size=limit,
**config)`. Named, not imported: a file is read without it."""


@dataclass(frozen=True)
class Conversation:
    """A prompt, as a text or as chat messages, and the completion to be learnt.

    `key` names what is asked, so that all answers to one prompt stay on one side of a split;
    `columns` holds every other column of the row: where it came from.

    >>> Conversation("cold-7", "Which number is larger, 7+8 or 20-6?",
    ...              "<think>The first is 7+8=15. ...</think><answer>15</answer>",
    ...              "larger|7+8|20-6", {"kind": "larger", "language": "en"})
    """

    id: str
    prompt: str | Messages
    completion: str
    key: str
    columns: Mapping[str, Any] = field(default_factory=dict)


def load_conversations(
    source: str,
    *,
    split: str = "train",
    subset: str | None = None,
    limit: int | None = None,
    config: Mapping[str, Any] = MappingProxyType({}),
) -> list[Conversation]:
    """The conversations of `source`, in its own order; `limit` takes the first so many.

    A row is `{"prompt": text or messages, "completion": text or [message]}` or `{"messages":
    [...]}`, where the last message, the assistant's, is to be learnt. Other columns are kept; `id`
    and `key` are the row's names, else its number from 0 and its prompt. `source`, `split` and
    `subset` are as in `load_problems`; `config` are a generator's settings.

    Raises FileNotFoundError or ValueError, in one sentence that names the row, for a source that is
    missing, broken or empty and for a row of another shape.
    """
    if is_generated(source, GENERATORS):
        conversations = generated(source, GENERATORS, limit, config)
    else:
        if config:
            raise ValueError(f"{source} is read, not generated: it takes no config.")
        rows = readers.rows(source, text_columns=(), split=split, subset=subset, revision=None)
        conversations = [
            _conversation(row, number, where)
            for number, (where, row) in enumerate(islice(rows, limit))
        ]
    if not conversations:
        raise ValueError(f"{source} holds no conversations.")
    return conversations


def split_by_loss(
    conversations: Sequence[Conversation], share: float
) -> tuple[list[Conversation], list[Conversation]]:
    """(train, held out for the loss), by a hash of the key.

    The hash is another than that of problems: conversations are about problems that are trained on,
    and of those a `share` is wanted.
    """
    sides: tuple[list[Conversation], list[Conversation]] = ([], [])
    for conversation in conversations:
        sides[is_held_out(f"loss:{conversation.key}", share)].append(conversation)
    return sides


def _conversation(row: readers.Row, number: int, where: str) -> Conversation:
    if row.get("messages") is not None:
        *asked, said = _whole(row["messages"], where)
        prompt: str | Messages = tuple(asked)
        completion = assistant_text(said, "messages", where)
    else:
        prompt = prompt_of(_column(row, "prompt", where), "prompt", where)
        completion = reply_text(_column(row, "completion", where), "completion", where)
    named, key = row.get("id"), row.get("key")
    own = ("messages", "prompt", "completion", "id", "key")
    return Conversation(
        str(number if named is None else named),
        prompt,
        completion,
        str(words_of(prompt) if key is None else key),
        {name: value for name, value in row.items() if name not in own},
    )


def _column(row: readers.Row, column: str, where: str) -> Any:
    value = row.get(column)
    if value is None:
        there = ", ".join(map(repr, row)) or "none"
        raise ValueError(
            f"{where}: no {column!r}; a conversation has 'prompt' and 'completion', or 'messages' "
            f"(columns: {there})."
        )
    if isinstance(value, str) and not value.strip():
        raise ValueError(f"{where}: column {column!r} is empty.")
    return value


def _whole(value: Any, where: str) -> Messages:
    messages = checked_messages(value, "messages", where)
    if len(messages) < 2:
        raise ValueError(
            f"{where}: 'messages' holds one message; a question and an answer are two."
        )
    return messages
