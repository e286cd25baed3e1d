"""Text out of TRL's two shapes of prompt and completion: a string, or a list of chat messages.

Images and tool calls inside a message carry no text and are passed over.
"""

from collections.abc import Mapping, Sequence
from typing import Any


def completion_text(completion: str | Sequence[Mapping[str, Any]]) -> str:
    """The words of a completion; of a conversation, what the assistant said, turn after turn."""
    if isinstance(completion, str):
        return completion
    turns = [turn for turn in completion if turn.get("role", "assistant") == "assistant"]
    return "\n".join(_content(turn) for turn in turns)


def prompt_text(prompt: str | Sequence[Mapping[str, Any]]) -> str:
    """The words of a prompt; of a conversation, the last thing the user said and how the
    assistant's turn was begun for it (`<think>`), where it was."""
    if isinstance(prompt, str):
        return prompt
    asked = [at for at, turn in enumerate(prompt) if turn.get("role") == "user"]
    return "\n".join(_content(turn) for turn in prompt[asked[-1] if asked else -1 :])


def _content(turn: Mapping[str, Any]) -> str:
    content = turn.get("content")
    parts = content if isinstance(content, list | tuple) else [content]
    return "".join(map(_part, parts))


def _part(part: Any) -> str:
    text = part.get("text") if isinstance(part, Mapping) else part
    return text if isinstance(text, str) else ""
