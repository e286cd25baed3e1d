"""Whether an answer is good: the part of it that is shown, against what its prompt asked."""

from collections.abc import Mapping, Sequence
from typing import Any

from grpo_data.world.manners.ask import Ask
from grpo_data.world.manners.kinds import GENERAL

THINK, END_THINK, ANSWER, END_ANSWER = "<think>", "</think>", "<answer>", "</answer>"


def is_good(said: str | Sequence[Mapping[str, Any]], columns: Mapping[str, Any]) -> bool | None:
    """Whether `said`, a text or chat messages, answers well; None where no general prompt asked.

    Raises ValueError where a column is missing that a general problem has.
    """
    if columns.get("kind") not in GENERAL:
        return None
    try:
        ask, language = Ask.from_columns(columns), columns["language"]
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"manners: a {columns['kind']} problem lacks the columns of the tiny world's general "
            f"prompts (tiny:general writes them): {error}."
        ) from error
    return GENERAL[ask.kind].is_good(shown(_text(said)), ask, language)


def shown(text: str) -> str:
    """What a reader is shown: behind the thought, of an answer block its content; nothing of a
    thought that is still open."""
    rest = text.rpartition(END_THINK)[2]
    if THINK in rest:
        return ""
    head, opened, answer = rest.partition(ANSWER)
    if not opened or head.strip():
        return rest.strip()
    return answer.partition(END_ANSWER)[0].strip()


def _text(said: str | Sequence[Mapping[str, Any]]) -> str:
    if isinstance(said, str):
        return said
    turns = (turn for turn in said if turn.get("role", "assistant") == "assistant")
    return "\n".join(_content(turn.get("content")) for turn in turns)


def _content(content: Any) -> str:
    parts = content if isinstance(content, list | tuple) else [content]
    texts = (part.get("text") if isinstance(part, Mapping) else part for part in parts)
    return "".join(text for text in texts if isinstance(text, str))
