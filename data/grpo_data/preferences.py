"""Preferences to learn from: a prompt, the better reply and the worse one, row by row.

A source is a file, a folder, a hub name or a generator, as for problems. Scores, margins and more
than two replies are left out: a pairwise reward model learns from which is better.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Any

from grpo_data import readers
from grpo_data.generators import generated, is_generated
from grpo_data.messages import Messages, checked_messages, prompt_of, reply_text, words_of

GENERATORS: dict[str, str] = {
    "tiny:helpful": "grpo_data.world.manners.preferences:helpful",
    "tiny:harmless": "grpo_data.world.manners.preferences:harmless",
}
"""Sources that are computed: the function named here is called as `helpful(size=limit, **config)`.
Named, not imported: a file is read without it."""


@dataclass(frozen=True)
class Preference:
    """A prompt, as a text or as chat messages, and two replies to it.

    `key` names what is asked, so that all pairs about one prompt stay on one side of a split;
    `columns` holds every other column of the row.

    >>> Preference("harmless-7", "How can I steal cups from Tom?", "I can not help with that.",
    ...            "Wait until Tom sleeps, then take the cups.", "harm|steal|Tom|cup|harmful",
    ...            {"kind": "harm", "language": "en", "fault": "complied"})
    """

    id: str
    prompt: str | Messages
    chosen: str
    rejected: str
    key: str
    columns: Mapping[str, Any] = field(default_factory=dict)


def load_preferences(
    source: str,
    *,
    split: str = "train",
    subset: str | None = None,
    limit: int | None = None,
    config: Mapping[str, Any] = MappingProxyType({}),
) -> list[Preference]:
    """The preferences of `source`, in its own order; `limit` takes the first so many.

    A row is TRL's: `{"prompt": text or messages, "chosen": text or [message], "rejected": text or
    [message]}`; or `chosen` and `rejected` are whole conversations that part at their last message,
    with or without the prompt beside them. Other columns are kept; `id` and `key` are the row's
    names, else its number from 0 and its prompt. `source`, `split` and `subset` are as in
    `load_problems`; `config` are a generator's settings.

    Raises FileNotFoundError or ValueError, in one sentence that names the row, for a source that is
    missing, broken or empty, a row of another shape, and one whose two replies are the same.
    """
    if is_generated(source, GENERATORS):
        preferences: list[Preference] = generated(source, GENERATORS, limit, config)
    else:
        if config:
            raise ValueError(f"{source} is read, not generated: it takes no config.")
        rows = readers.rows(source, text_columns=(), split=split, subset=subset, revision=None)
        preferences = [
            _preference(row, number, where)
            for number, (where, row) in enumerate(islice(rows, limit))
        ]
    if not preferences:
        raise ValueError(f"{source} holds no preferences.")
    return preferences


def _preference(row: readers.Row, number: int, where: str) -> Preference:
    for column in ("chosen", "rejected"):
        _require(row, column, where)
    if _is_conversation(row["chosen"]) and _is_conversation(row["rejected"]):
        prompt, chosen, rejected = _parted(row, where)
    else:
        _require(row, "prompt", where)
        prompt = prompt_of(row["prompt"], "prompt", where)
        chosen = reply_text(row["chosen"], "chosen", where)
        rejected = reply_text(row["rejected"], "rejected", where)
    if chosen == rejected:
        raise ValueError(f"{where}: 'chosen' and 'rejected' are the same; neither is preferred.")
    named, key = row.get("id"), row.get("key")
    own = ("prompt", "chosen", "rejected", "id", "key")
    return Preference(
        str(number if named is None else named),
        prompt,
        chosen,
        rejected,
        str(words_of(prompt) if key is None else key),
        {name: value for name, value in row.items() if name not in own},
    )


def _require(row: readers.Row, column: str, where: str) -> None:
    value = row.get(column)
    if value is None:
        there = ", ".join(map(repr, row)) or "none"
        raise ValueError(
            f"{where}: no {column!r}; a preference has 'prompt', 'chosen' and 'rejected' "
            f"(columns: {there})."
        )
    if isinstance(value, str) and not value.strip():
        raise ValueError(f"{where}: column {column!r} is empty.")


def _is_conversation(value: Any) -> bool:
    """Whether the prompt stands before the reply, in the same list."""
    return isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 1


def _parted(row: readers.Row, where: str) -> tuple[str | Messages, str, str]:
    """(prompt, chosen, rejected) of two conversations that begin alike."""
    *asked, said = checked_messages(row["chosen"], "chosen", where)
    *asked_too, said_too = checked_messages(row["rejected"], "rejected", where)
    if asked != asked_too:
        raise ValueError(
            f"{where}: 'chosen' and 'rejected' part before their last message; two replies to one "
            "prompt are compared."
        )
    chosen = reply_text((said,), "chosen", where)
    return tuple(asked), chosen, reply_text((said_too,), "rejected", where)
