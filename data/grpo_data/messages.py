"""Chat messages in a data file's rows: checked, and told in one sentence that names the row."""

from collections.abc import Mapping, Sequence
from typing import Any

from grpo_data.problem import normalised

Messages = tuple[Mapping[str, str], ...]


def checked_messages(value: Any, column: str, where: str) -> Messages:
    """`value` as messages of a role and a content each. Raises ValueError."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes) or not value:
        kind = type(value).__name__
        raise ValueError(f"{where}: column {column!r} is no list of messages but a {kind}.")
    for place, message in enumerate(value):
        if not _is_message(message):
            raise ValueError(
                f"{where}: message {place} (from 0) of {column!r} is not "
                '{"role": ..., "content": ...} with texts that are not empty.'
            )
    return tuple({"role": message["role"], "content": message["content"]} for message in value)


def assistant_text(message: Mapping[str, str], column: str, where: str) -> str:
    """What the assistant says in `message`. Raises ValueError where somebody else speaks."""
    if message["role"] != "assistant":
        raise ValueError(
            f"{where}: the last message of {column!r} is the {message['role']}'s; "
            "what is learnt must be the assistant's."
        )
    return message["content"]


def reply_text(value: Any, column: str, where: str) -> str:
    """A reply, given as a text or as the assistant's one message. Raises ValueError."""
    if isinstance(value, str):
        return value
    messages = checked_messages(value, column, where)
    if len(messages) > 1:
        raise ValueError(
            f"{where}: column {column!r} holds {len(messages)} messages; one is learnt, and what "
            "goes before it belongs to the prompt."
        )
    return assistant_text(messages[0], column, where)


def prompt_of(value: Any, column: str, where: str) -> str | Messages:
    """A prompt, as the text it is or as messages. Raises ValueError."""
    return value if isinstance(value, str) else checked_messages(value, column, where)


def words_of(prompt: str | Messages) -> str:
    """What is asked, with width, case and spacing made one: a key for rows that have none."""
    said = [prompt] if isinstance(prompt, str) else [message["content"] for message in prompt]
    return normalised("\n".join(said))


def _is_message(message: Any) -> bool:
    if not isinstance(message, Mapping):
        return False
    parts = [message.get(part) for part in ("role", "content")]
    return all(isinstance(part, str) and part.strip() for part in parts)
