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
    """The words of a prompt; of a conversation, the last turn (what the model answers to)."""
    if isinstance(prompt, str):
        return prompt
    return _content(prompt[-1]) if prompt else ""


def _content(turn: Mapping[str, Any]) -> str:
    content = turn.get("content")
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part.get("text", "") for part in content)
