"""R1's layout: one `<think>` block, then one `<answer>` block, and nothing else but whitespace.

Tags are exact, lower-case strings. No repair is tried: a near miss is a miss, else the reward
would teach it.
"""

import unicodedata
from dataclasses import dataclass

THINK, END_THINK = "<think>", "</think>"
ANSWER, END_ANSWER = "<answer>", "</answer>"


@dataclass(frozen=True)
class Tagged:
    """The two blocks of a completion in the layout, stripped.

    >>> Tagged(thought="3 + 4 = 7", answer="7")
    """

    thought: str
    answer: str


def parse(text: str, prefix: str = "") -> Tagged | None:
    """The blocks of `text`, or None where it is not exactly the layout with both blocks filled.

    `prefix` is what the prompt has already written of the layout, `<think>` where the template
    opens the thought itself (see `opened_by`).
    """
    parts = thought_and_rest(text, prefix)
    answer = answer_block(parts[1]) if parts else None
    return Tagged(parts[0], answer) if parts and answer is not None else None


def thought_and_rest(text: str, prefix: str = "") -> tuple[str, str] | None:
    """The thought and what follows it, stripped, where `text` begins with its only think block.

    None where the block is not filled, has another tag in it, or is not the first and only one;
    `prefix` as in `parse`.
    """
    head, opened, rest = (prefix + text).partition(THINK)
    thought, closed, rest = rest.partition(END_THINK)
    if head.strip() or not opened or not closed or THINK in rest or END_THINK in rest:
        return None
    is_thought = is_filled(thought) and not any(tag in thought for tag in (THINK, *_ANSWER_TAGS))
    return (thought.strip(), rest.strip()) if is_thought else None


def answer_block(text: str) -> str | None:
    """The stripped content of `text` where it is one filled answer block and nothing else."""
    text = text.strip()
    if any(text.count(tag) != 1 for tag in _ANSWER_TAGS) or THINK in text or END_THINK in text:
        return None
    head, _, rest = text.partition(ANSWER)
    answer, closed, tail = rest.partition(END_ANSWER)
    return answer.strip() if closed and not head and not tail and is_filled(answer) else None


def opened_by(prompt: str) -> str:
    """`<think>` where the prompt ends with it, so that the completion begins inside the thought."""
    return THINK if prompt.rstrip().endswith(THINK) else ""


def thought_of(text: str, prefix: str = "") -> str:
    """The chain of thought: what stands in the first think block, or all of an untagged text."""
    text = prefix + text
    head, opened, rest = text.partition(THINK)
    return rest.partition(END_THINK)[0] if opened else head.partition(END_THINK)[0]


def after_thought(text: str, prefix: str = "") -> str:
    """What a reader is shown: all after the last think block; nothing where one is still open."""
    rest = (prefix + text).rpartition(END_THINK)[2]
    return "" if THINK in rest else rest


def is_filled(text: str) -> bool:
    """Whether anything of `text` shows: spaces, controls and zero-width marks (Z*, C*) do not."""
    return any(unicodedata.category(char)[0] not in "ZC" for char in text)


_ANSWER_TAGS = (ANSWER, END_ANSWER)
