"""What was read as the answer of a completion, for the record and for majority votes.

The rewards read for themselves; these are the same functions. A reward that is not listed (code, a
user's own) has no answer in words, and its samples do not vote.
"""

from collections.abc import Callable

from grpo_rewards import tags
from grpo_rewards.extract import lenient_answer, strict_answer
from grpo_rewards.letters import letter
from grpo_rewards.reading import key

Extract = Callable[[str, str], str | None]
"""(prompt, completion) to the answer, None where there is none."""


def _strict(prompt: str, text: str) -> str | None:
    return strict_answer(text, tags.opened_by(prompt))


def _lenient(prompt: str, text: str) -> str | None:
    return lenient_answer(text, tags.opened_by(prompt))


def _letter(prompt: str, text: str) -> str | None:
    answer = _strict(prompt, text)
    return None if answer is None else letter(answer) or answer


LONGEST = 2000
"""Characters of an answer that are kept."""

EXTRACTS: dict[str, Extract] = {
    "accuracy": _strict,
    "accuracy_lenient": _lenient,
    "choice": _letter,
    "reasoning_gym": _strict,
}


def extracted(reward: str, prompt: str, text: str) -> str | None:
    """The answer as `reward` reads it."""
    extract = EXTRACTS.get(reward)
    found = extract(prompt, text) if extract else None
    return None if found is None else found[:LONGEST]


def same_answer(text: str) -> object:
    """What two spellings of one answer have in common: their number, else their cleaned text."""
    return key(text)
