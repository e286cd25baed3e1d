"""Where the steps of a completion end among its tokens.

A reward sees text and counts characters; an advantage belongs to tokens. A completion is never
tokenized anew for this: a policy need not have drawn the tokens its text would be given.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import partial

from transformers import PreTrainedTokenizerBase

from grpo.sampler.tokens import texts
from grpo.types import Completion, Steps
from grpo_rewards.verdict import Steps as Written


def in_tokens(
    steps: Mapping[str, Written], completion: Completion, tokenizer: PreTrainedTokenizerBase
) -> dict[str, Steps]:
    """The steps of each reward, their ends in characters turned to places of last tokens."""
    return {
        name: tuple(zip(_places(tokenizer, completion, some), (s for _, s in some), strict=True))
        for name, some in steps.items()
    }


def _places(
    tokenizer: PreTrainedTokenizerBase, completion: Completion, steps: Written
) -> Sequence[int]:
    """The first token with which all of a step is written, for each step."""
    ids, places = completion.token_ids, [0]
    for end, _ in steps:
        is_there = partial(_writes, tokenizer, ids, completion.text[:end])
        # The last token needs no look: where the search comes to it, it is the one.
        places.append(bisect_left(range(len(ids) - 1), True, lo=places[-1], key=is_there))
    return places[1:]


def _writes(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], text: str, place: int) -> bool:
    """Whether the tokens up to `place` write `text`.

    A character of several tokens is there with its last: before it, the decoder puts a mark in its
    place.
    """
    (written,) = texts(tokenizer, [ids[: place + 1]], {tokenizer.eos_token_id})
    return written.startswith(text)
