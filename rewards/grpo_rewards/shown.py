"""What a reward model is shown of a completion: as turns, as text, as token ids.

One file for those who train such a model and those who are paid by it, so that both show the same.
No model is here, and no torch: a tokenizer comes as it is.
"""

import re
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from grpo_rewards import tags
from grpo_rewards.verdict import Sample

Turns = list[dict[str, str]]


def conversation(sample: Sample, part: str) -> Turns:
    """What was asked and what of the completion is judged, as two turns."""
    asked = sample.columns.get("question")
    prefix = tags.opened_by(sample.prompt)
    said = _answer(sample.text, prefix) if part == "answer" else prefix + sample.text
    return [
        {"role": "user", "content": asked if isinstance(asked, str) else sample.prompt},
        {"role": "assistant", "content": said},
    ]


def _answer(text: str, prefix: str) -> str:
    shown = tags.after_thought(text, prefix).strip()
    answer = tags.answer_block(shown)
    return shown if answer is None else answer


class Reader:
    """Reads conversations as a reward model does, by its tokenizer.

    With `chat` in the tokenizer's own template, else question and answer as a plain pair of texts.
    Special tokens in them are left out, so that a completion cannot write a turn of its own. Of
    more than `max_length` tokens the last are kept.
    """

    def __init__(self, tokenizer: Any, chat: bool, max_length: int) -> None:
        # A copy: cutting to a length stays with a tokenizer, and would be saved with it.
        self._tokenizer = deepcopy(tokenizer)
        self._tokenizer.truncation_side, self._tokenizer.padding_side = "left", "right"
        self._chat, self._max_length = chat, max_length
        added = tokenizer.added_tokens_decoder.values()
        special = [re.escape(token.content) for token in added if token.special]
        self._special = re.compile("|".join(special) or "(?!)")

    def texts(self, turns: Turns) -> tuple[str, ...]:
        """The conversation as its template writes it, or its question and answer as they are."""
        turns = [{**turn, "content": self._tame(turn["content"])} for turn in turns]
        if self._chat:
            return (self._tokenizer.apply_chat_template(turns, tokenize=False),)
        return turns[0]["content"], turns[1]["content"]

    def encoded(self, rows: Sequence[tuple[str, ...]], **how: Any) -> Any:
        """The token ids of such texts and what belongs to them, in `how` the tokenizer is asked."""
        return self._tokenizer(
            *([*column] for column in zip(*rows, strict=True)),
            add_special_tokens=not self._chat,  # a template has written its own
            truncation=True,
            max_length=self._max_length,
            **how,
        )

    def _tame(self, text: str) -> str:
        """Without special tokens, and without half characters, which tokenizers refuse."""
        return self._special.sub(" ", text.encode(errors="replace").decode())
