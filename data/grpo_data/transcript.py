"""From a conversation to the token ids of its prompt and of its completion, end token included."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from grpo_data.conversations import Conversation
from grpo_data.problem import Problem
from grpo_data.template import conversation, render, templated, token_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Transcript = tuple[tuple[int, ...], tuple[int, ...]]
"""(prompt ids, completion ids)"""


def transcribe(
    tokenizer: "PreTrainedTokenizerBase",
    said: Conversation,
    *,
    system: str | None,
    user: str,
    chat: bool = True,
) -> Transcript:
    """The ids of the prompt and of the completion, each tokenised by itself, as in sampling.

    A prompt that is a text is worded as `render` words a question; messages stand as they are. The
    completion is what the template makes of the answer, up to the end token. An end of turn that is
    not the tokenizer's end token gives way to it, since a sampler stops at no other.

    Raises ValueError for what `render` refuses, messages without `chat`, a template that does not
    keep the answer as it is, a tokenizer without an end token, and an end token inside the answer.
    """
    end = str(tokenizer.eos_token or "")
    if not end or end in said.completion:
        what = f"holds the end token {end!r} itself" if end else "has no end token to end with"
        raise ValueError(f"the completion of conversation {said.id!r} {what}.")
    if chat:
        turns = _turns(said, system, user)
        completion = _answer(tokenizer, turns, said, end)
        return (
            token_ids(tokenizer, templated(tokenizer, turns), special=False),
            token_ids(tokenizer, completion + end, special=False),
        )
    if not isinstance(said.prompt, str):
        raise ValueError(
            f"the prompt of conversation {said.id!r} is messages: it needs chat: true."
        )
    _, prompt = render(tokenizer, _asked(said, said.prompt), system=system, user=user, chat=False)
    return prompt, token_ids(tokenizer, said.completion + end, special=False)


def _turns(said: Conversation, system: str | None, user: str) -> Sequence[Mapping[str, str]]:
    if isinstance(said.prompt, str):
        return conversation(_asked(said, said.prompt), system=system, user=user)
    return said.prompt


def _asked(said: Conversation, prompt: str) -> Problem:
    return Problem(said.id, prompt, "", said.key, said.columns)


def _answer(
    tokenizer: "PreTrainedTokenizerBase",
    turns: Sequence[Mapping[str, str]],
    said: Conversation,
    end: str,
) -> str:
    """The answer as the template writes it, without the end token and what comes behind."""
    answer = {"role": "assistant", "content": said.completion}
    opened = templated(tokenizer, turns)
    written = templated(tokenizer, [*turns, answer], opens=False)
    closed = written.removeprefix(opened)
    if closed == written or said.completion.strip() not in closed:
        raise ValueError(
            f"the chat template of {tokenizer.name_or_path!r} does not keep the answer of "
            f"conversation {said.id!r} as it is (some leave its thoughts out): "
            "take a model with another chat template, or set chat: false."
        )
    return closed.partition(end)[0] if end in closed else said.completion
